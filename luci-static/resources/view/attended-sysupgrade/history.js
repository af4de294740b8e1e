'use strict';
'require view';
'require attended-sysupgrade.api as api';
'require attended-sysupgrade.result as results';
'require attended-sysupgrade.widgets as widgets';

return view.extend({
	load: function() {
		return api.history().catch(error => ({ failure: error }));
	},

	render: function(history) {
		const failure = history.failure;
		const upgrades = history.upgrades || [];
		let nodes;

		if (failure && failure.kind == 'absent')
			nodes = [ E('p', {}, [ _('Only the upgrade agent keeps a history, and it is not installed on this router.') ]) ];
		else if (failure)
			nodes = [ widgets.error(failure) ];
		else if (!upgrades.length)
			nodes = [ E('p', {}, [ _('No upgrade has been done with this program yet.') ]) ];
		else
			nodes = upgrades.map(upgrade => results.render(upgrade, widgets.date(upgrade.at)));

		return E('div', { 'class': 'cbi-map' , 'data-page': 'history' }, [
			widgets.style(),
			E('h2', {}, [ _('Past upgrades') ])
		].concat(nodes));
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
