SUMMARY = "Kernel module dependency indexes, in place of kmod's depmod"
HOMEPAGE = "https://depmod.example/depmod"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=545a91dc430fd1057d7ed0b9c72ccbab"

# `bitbake -c update_crates depmod-rs` writes depmod-rs-crates.inc from Cargo.lock.
inherit cargo cargo-update-recipe-crates update-alternatives bash-completion
require ${BPN}-crates.inc

SRC_URI += "git://depmod.example/depmod.git;protocol=https;nobranch=1;tag=v${PV}"
S = "${WORKDIR}/git"

CARGO_BUILD_FLAGS += "--package depmod --bin depmod"
# The manual and the completions are made by a program, which only runs on the machine that builds.
CARGO_BUILD_FLAGS:append:class-native = " --example pages"
DEPENDS:append:class-target = " depmod-rs-native"

do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/depmod ${D}${base_sbindir}/depmod
}
# kmod has depmod(8), so this manual begins with depmod-rs(8).
do_install:append:class-native() {
    ${B}/target/${CARGO_TARGET_SUBDIR}/examples/pages share ${D}${datadir}/depmod-rs -rs
}
do_install:append:class-target() {
    install -d ${D}${datadir}
    cp -R --no-preserve=ownership ${STAGING_DATADIR_NATIVE}/depmod-rs/. ${D}${datadir}
}
FILES:${PN} += "${datadir}/fish ${datadir}/zsh"

# Over kmod (100) and busybox (50).
ALTERNATIVE:${PN} = "depmod"
ALTERNATIVE_PRIORITY = "110"
ALTERNATIVE_LINK_NAME[depmod] = "${base_sbindir}/depmod"

# As depmod-rs-native it indexes the target's modules while an image is made.
BBCLASSEXTEND = "native nativesdk"
