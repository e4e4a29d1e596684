################################################################################
#
# depmod-rs
#
################################################################################

DEPMOD_RS_VERSION = 0.1.0
DEPMOD_RS_SITE = https://depmod.example/depmod/archive
DEPMOD_RS_SOURCE = depmod-$(DEPMOD_RS_VERSION).tar.gz
DEPMOD_RS_LICENSE = MIT or Apache-2.0
DEPMOD_RS_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
DEPMOD_RS_CARGO_BUILD_OPTS = --package depmod
# After them, so that this file is the one that stays.
DEPMOD_RS_DEPENDENCIES = $(if $(BR2_PACKAGE_KMOD),kmod) $(if $(BR2_PACKAGE_BUSYBOX),busybox)

# Buildroot keeps neither manual pages nor completions in images, so none are made.
define DEPMOD_RS_INSTALL_TARGET_CMDS
	rm -f $(TARGET_DIR)/sbin/depmod $(TARGET_DIR)/usr/sbin/depmod
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/release/depmod \
		$(TARGET_DIR)/sbin/depmod
endef

define HOST_DEPMOD_RS_INSTALL_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_HOST_NAME)/release/depmod \
		$(HOST_DIR)/sbin/depmod.rs
endef

$(eval $(cargo-package))
$(eval $(host-cargo-package))
