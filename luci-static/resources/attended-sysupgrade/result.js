'use strict';
'require baseclass';
'require attended-sysupgrade.widgets as widgets';
'require attended-sysupgrade.plan as plan';

/* What came of an upgrade: one entry of the history, as the agent wrote it after the reboot. */

function difference(it) {
	const expected = widgets.line(it.expected), found = widgets.line(it.found), name = widgets.line(it.name);

	if (it.kind == 'version')
		return _('Version: %s was promised, %s runs.').format(expected, found);

	if (it.kind == 'revision')
		return _('Revision: %s was promised, %s runs.').format(expected, found);

	if (it.found == null)
		return _('Package %s: %s was promised, and it is not there.').format(name, expected);

	if (it.expected == null)
		return _('Package %s: it was not promised, %s is there.').format(name, found);

	return _('Package %s: %s was promised, %s is there.').format(name, expected, found);
}

function verdict(upgrade) {
	switch (upgrade.result) {
	case 'confirmed':
		return [ 'success', _('Confirmed: the router runs what was promised.') ];
	case 'differs':
		return [ 'warning', _('The router runs the new version, but not everything is as promised.') ];
	case 'not-applied':
		return [ 'warning', _('The upgrade did not happen: the router still runs the old version.') ];
	default:
		return [ 'warning', _('The router gave a result this page does not know: %s').format(widgets.line(upgrade.result)) ];
	}
}

return baseclass.extend({
	/* upgrade: an entry of `history`, or `last_upgrade` of `status`. */
	render: function(upgrade, title) {
		const words = verdict(upgrade);
		const differences = upgrade.differences || [];
		const node = widgets.section(title, [
			widgets.notice(words[0], null, [ E('p', {}, [ words[1] ]) ]),
			widgets.facts([
				[ _('From'), plan.release(upgrade.from) ],
				[ _('To'), plan.release(upgrade.to) ],
				[ _('When'), widgets.date(upgrade.at) ],
				[ _('Settings'), upgrade.kept_settings ? _('kept') : _('not kept') ]
			]),
			differences.length ? E('ul', {}, differences.map(it => E('li', {}, [ difference(it) ]))) : null
		]);

		node.setAttribute('data-result', widgets.line(upgrade.result));

		return node;
	}
});
