/* The C interface this plugin is written against: libubus' objects and rpcd's plugins. */
#include <libubus.h>
#include <rpcd/plugin.h>
