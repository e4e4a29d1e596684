# `nix-build targets/packages/nix` in a checkout. `lib.hiPrio` lets it win over kmod's depmod in one environment.
{
  pkgs ? import <nixpkgs> { },
}:
pkgs.lib.hiPrio (
  pkgs.rustPlatform.buildRustPackage {
    pname = "depmod";
    version = "0.1.0";
    src = pkgs.lib.cleanSource ../../..;
    cargoLock.lockFile = ../../../Cargo.lock;
    cargoBuildFlags = [
      "--package"
      "depmod"
      "--bin"
      "depmod"
      "--example"
      "pages"
    ];
    # The manual and the completions.
    postInstall = pkgs.lib.optionalString (pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform) ''
      $(find target -path '*/release/examples/pages') share $out/share
    '';
    cargoTestFlags = [
      "--package"
      "depmod"
    ];
    meta = {
      description = "Kernel module dependency indexes, in place of kmod's depmod";
      license = with pkgs.lib.licenses; [
        mit
        asl20
      ];
      mainProgram = "depmod";
      platforms = pkgs.lib.platforms.linux;
    };
  }
)
