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
    ];
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
