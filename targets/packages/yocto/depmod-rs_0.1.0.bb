SUMMARY = "Kernel module dependency indexes, in place of kmod's depmod"
HOMEPAGE = "https://depmod.example/depmod"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=545a91dc430fd1057d7ed0b9c72ccbab"

# The list of crates is not here: run `bitbake -c update_crates depmod-rs` once, which writes it beside this file from
# Cargo.lock. `include`, because `require` would refuse to read the recipe before that.
inherit cargo cargo-update-recipe-crates update-alternatives bash-completion
include ${BPN}-crates.inc

# Unpacked where S is by default, which newer releases have moved.
SRC_URI += "git://depmod.example/depmod.git;protocol=https;nobranch=1;tag=v${PV};destsuffix=${BP}"

CARGO_BUILD_FLAGS += "--package depmod --bin depmod"
# The manual and the completions are made by a program, which only runs on the machine that builds.
CARGO_BUILD_FLAGS:append:class-native = " --example pages"
DEPENDS:append:class-target = " depmod-rs-native"

# As -native it has a name of its own: kernels and images depend on kmod-native, which has sbin/depmod.
COMMAND_NAME = "depmod-rs"
COMMAND_NAME:class-target = "depmod"
do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/depmod ${D}${base_sbindir}/${COMMAND_NAME}
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
ALTERNATIVE:${PN}:class-target = "depmod"
ALTERNATIVE_PRIORITY = "110"
ALTERNATIVE_LINK_NAME[depmod] = "${base_sbindir}/depmod"

# depmod-rs-native indexes the target's modules while an image is made, after kmod's, if the image's recipe says so:
#     do_rootfs[depends] += "depmod-rs-native:do_populate_sysroot"
#     ROOTFS_POSTPROCESS_COMMAND += "index_modules;"
#     index_modules() {
#         for dir in ${IMAGE_ROOTFS}${nonarch_base_libdir}/modules/*/; do
#             depmod-rs -a -b ${IMAGE_ROOTFS} $(basename $dir)
#         done
#     }
BBCLASSEXTEND = "native nativesdk"
