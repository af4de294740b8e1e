'use strict';
'require view';
'require form';
'require uci';

/* Every option that a person sets (and that the agent or these pages read), grouped by the question it answers. */

function servers(map) {
	const s = map.section(form.TypedSection, 'server', _('Upgrade servers'),
		_('They are asked in this order. The first one that answers builds the image.'));

	s.anonymous = true;
	s.addremove = true;

	let o = s.option(form.Value, 'url', _('Address'));

	o.placeholder = 'https://sysupgrade.openwrt.org';
	o.rmempty = false;
	o.validate = (section_id, value) => /^https?:\/\/[^\s/]+/.test(value) || _('An address that begins with https:// or http:// is needed.');

	o = s.option(form.DynamicList, 'rebuilder', _('Rebuilders'),
		_('Other servers that build the same image, so that the results can be compared.'));
	o.validate = (section_id, value) => !value || /^https?:\/\/[^\s/]+/.test(value) || _('An address that begins with https:// or http:// is needed.');
}

/* The sections below are parts of the one section `agent`; LuCI shows an option wherever it stands. */
function part(map, title, description) {
	return map.section(form.NamedSection, 'agent', 'agent', title, description);
}

function schedule(map) {
	const s = part(map, _('When to look'), _('Without an interval the router asks no server on its own.'));

	let o = s.option(form.Value, 'check_interval', _('Look for upgrades every'), _('In hours; 0 means never.'));

	o.datatype = 'range(0, 8760)';
	o.placeholder = '0';

	o = s.option(form.ListValue, 'action', _('What a scheduled look may do'));
	o.value('check', _('look only'));
	o.value('download', _('prepare the image as well'));
	o.value('upgrade', _('install it as well'));
	o.default = 'check';

	o = s.option(form.Value, 'window', _('Install only between'), _('Local time of the router, like 03:00-05:00. Empty: at any time.'));
	o.placeholder = '03:00-05:00';
	o.depends('action', 'upgrade');
	o.validate = (section_id, value) => !value || /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/.test(value)
		|| _('Two times like 03:00-05:00 are needed.');

	o = s.option(form.Flag, 'login_notice', _('Tell me'),
		_('One line after an SSH login and a note on the status page when there is something to know.'));
	o.default = '0';

	o = s.option(form.Flag, 'report', _('Tell the upgrade server'),
		_('After an upgrade: both releases, target, profile, and whether everything is as promised. Nothing else.'));
	o.default = '0';
}

function trust(map) {
	const s = part(map, _('What an image must prove'));

	let o = s.option(form.ListValue, 'signature', _('Signature'),
		_('A bad signature is always refused. This is about images that carry none, or one of an unknown key.'));

	o.value('off', _('do not look'));
	o.value('warn', _('warn'));
	o.value('require', _('refuse'));
	o.default = 'warn';

	o = s.option(form.Value, 'rebuilders_required', _('Equal results needed'),
		_('How many rebuilders must have built the very same image. 0: none.'));
	o.datatype = 'range(0, 16)';
	o.placeholder = '0';
}

function install(map) {
	const s = part(map, _('How to install'));

	let o = s.option(form.Flag, 'keep_settings', _('Keep the settings'));

	o.default = '1';

	o = s.option(form.Value, 'backup', _('Folder for backups'),
		_('A backup of the settings is written there before each installation. Empty: none.'));
	o.placeholder = '/mnt/usb';
	o.datatype = 'directory';

	o = s.option(form.Value, 'pre_install', _('Program to run before'),
		_('It may veto the installation by failing.'));
	o.placeholder = '/etc/attended-sysupgrade/pre-install';
	o.datatype = 'file';
}

function image(map) {
	const s = part(map, _('What is in the image'));

	let o = s.option(form.DynamicList, 'add', _('Always add these packages'));

	o.validate = packageName;

	o = s.option(form.DynamicList, 'remove', _('Always leave out these packages'));
	o.validate = packageName;

	o = s.option(form.DynamicList, 'ignore', _('Do not wait for these packages'),
		_('They are left out where the new version does not have them.'));
	o.validate = packageName;

	o = s.option(form.Value, 'init_script', _('Script for the first start'), _('A file on this router whose text goes into the image.'));
	o.datatype = 'file';

	o = s.option(form.Value, 'rootfs_size', _('Size of the root file system'), _('In MiB, for devices where it can be chosen. Empty: as the release has it.'));
	o.datatype = 'range(1, 1024)';

	o = s.option(form.ListValue, 'fstype', _('File system'), _('For devices that can have more than one.'));
	o.value('', _('as now'));
	o.value('squashfs', 'squashfs');
	o.value('ext4', 'ext4');
	o.value('ubifs', 'ubifs');
	o.optional = true;
}

function network(map) {
	const s = part(map, _('The way to the server'));

	let o = s.option(form.Value, 'ca_file', _('Certificates'), _('A file with the authorities to trust instead of those of the system.'));

	o.datatype = 'file';

	o = s.option(form.Value, 'proxy', _('Proxy'), _('Like http://proxy.lan:3128. Empty: none.'));
	o.validate = (section_id, value) => !value || /^https?:\/\/[^\s/]+/.test(value) || _('An address that begins with https:// or http:// is needed.');

	s.option(form.DynamicList, 'no_proxy', _('Without the proxy'), _('Hosts, with all below them, that are asked directly.'));
}

function page(map) {
	const s = map.section(form.NamedSection, 'client', 'client', _('This page'));
	const o = s.option(form.Flag, 'advanced_mode', _('Show more'),
		_('All versions of a branch, and packages to add or leave out, once for each upgrade.'));

	o.default = '0';
}

function packageName(section_id, value) {
	return !value || /^[\w.,-]+$/.test(value) || _('This is not the name of a package.');
}

return view.extend({
	/* A configuration of the older tools has no section `agent`; it is made when something is saved. */
	load: function() {
		return uci.load('attendedsysupgrade').then(() => {
			for (const name of [ 'agent', 'client' ])
				if (!uci.get('attendedsysupgrade', name))
					uci.add('attendedsysupgrade', name, name);
		});
	},

	render: function() {
		const map = new form.Map('attendedsysupgrade', _('Attended Sysupgrade'),
			_('How this router finds, checks and installs new firmware.'));

		for (const fill of [ servers, schedule, trust, install, image, network, page ])
			fill(map);

		return map.render();
	}
});
