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
HOST_DEPMOD_RS_CARGO_BUILD_OPTS = --package depmod
# After them, so that this file is the one that stays.
DEPMOD_RS_DEPENDENCIES = $(if $(BR2_PACKAGE_KMOD),kmod) $(if $(BR2_PACKAGE_BUSYBOX),busybox)

# Buildroot keeps neither manual pages nor completions in images, so none are made.
define DEPMOD_RS_INSTALL_TARGET_CMDS
	rm -f $(TARGET_DIR)/sbin/depmod $(TARGET_DIR)/usr/sbin/depmod
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/depmod \
		$(TARGET_DIR)/sbin/depmod
endef

# Cargo is told no target for host packages, so its directory has none in its name.
define HOST_DEPMOD_RS_INSTALL_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/release/depmod \
		$(HOST_DIR)/sbin/depmod-rs
endef

# LINUX_RUN_DEPMOD, a hook of the same kind, writes the last index with host-kmod's $(HOST_DIR)/sbin/depmod, whose file
# is not ours to replace. Hooks run in the order in which Buildroot reads packages: those of a BR2_EXTERNAL tree come
# after linux, but those in package/ before it.
ifeq ($(BR2_LINUX_KERNEL),y)
define HOST_DEPMOD_RS_INDEX_MODULES
	if test -d $(TARGET_DIR)/lib/modules/$(LINUX_VERSION_PROBED); then \
		$(HOST_DIR)/sbin/depmod-rs -a -b $(TARGET_DIR) $(LINUX_VERSION_PROBED); \
	fi
endef
HOST_DEPMOD_RS_TARGET_FINALIZE_HOOKS += HOST_DEPMOD_RS_INDEX_MODULES
endif

$(eval $(cargo-package))
$(eval $(host-cargo-package))
