# A package's Makefile of this feed, read without OpenWrt's build system: `make -C PACKAGE TOPDIR=(this
# folder) PROGRAMS=DIR DEST=DIR ARCHITECTURE=NAME [PACKAGE=NAME]` lays the package out below DEST, with its control
# files in DEST/CONTROL. These are the few words the Makefiles take from the real rules.mk; what they
# mean is the same there.

INCLUDE_DIR:=$(TOPDIR)/include
PKG_INSTALL_DIR:=$(PROGRAMS)

CP:=cp -fpR
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644

.DEFAULT_GOAL:=package
