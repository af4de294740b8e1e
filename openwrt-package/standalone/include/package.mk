# Stands in for OpenWrt's package.mk: lays out a package and writes its control files as package-pack.mk
# and ipkg-build do for releases with opkg.

PKGARCH:=$(ARCHITECTURE)

comma:=,
space:=$(subst ,, )
commas=$(subst $(space),$(comma)$(space),$(strip $(1)))
field=$(if $(strip $(2)),$(1): $(strip $(2)))

# +name or name; @name is a matter of menuconfig.
depends=$(call commas,$(patsubst +%,%,$(filter-out @%,libc $(1))))

# Fields without a value leave an empty line, which is taken out below.
define control
$(call field,Package,$(1))
$(call field,Version,$(PKG_VERSION)-r$(PKG_RELEASE))
$(call field,Depends,$(call depends,$(DEPENDS)))
$(call field,Conflicts,$(call commas,$(CONFLICTS)))
$(call field,Provides,$(call commas,$(PROVIDES)))
$(call field,License,$(PKG_LICENSE))
$(call field,Section,$(SECTION))
$(call field,Require-User,$(USERID))
$(call field,SourceDateEpoch,$(SOURCE_DATE_EPOCH))
$(call field,Architecture,$(PKGARCH))
Installed-Size: 0
Description: $(Package/$(1)/description)
endef

# $(1) hook, $(2) the words after which the router's own functions.sh does the rest
define default_script
#!/bin/sh
$(2)[ -s $${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. $${IPKG_INSTROOT}/lib/functions.sh
default_$(1) $$0 $$@
endef

script=$(if $(1),$(file >$(DEST)/CONTROL/$(2),$(1))chmod 0755 $(DEST)/CONTROL/$(2))

define skip_on_request
[ "$${IPKG_NO_SCRIPT}" = "1" ] && exit 0

endef

# Two steps, since make writes the files of a recipe before it runs the recipe's first line.
# PACKAGE names one of several packages of a Makefile.
BuildPackage=$(if $(filter $(or $(PACKAGE),$(PKG_NAME)),$(1)),$(call BuildThePackage,$(1)))
define BuildThePackage
$(eval $(Package/$(1)))
.PHONY: layout package
layout:
	rm -rf $(DEST)
	mkdir -p $(DEST)/CONTROL
	$$(call Package/$(1)/install,$(DEST))

package: layout
	$$(file >$(DEST)/CONTROL/control,$$(call control,$(1)))
	sed -i '/^$$$$/d' $(DEST)/CONTROL/control
	$$(call script,$$(call default_script,postinst,$$(skip_on_request)),postinst)
	$$(call script,$$(call default_script,prerm),prerm)
	$$(call script,$$(Package/$(1)/postinst),postinst-pkg)
	$$(call script,$$(Package/$(1)/prerm),prerm-pkg)
	$$(call script,$$(Package/$(1)/postrm),postrm)
endef
