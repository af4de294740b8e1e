'use strict';
'require view';
'require dom';
'require poll';
'require view.status.include.15_attended-sysupgrade as include';

/* LuCI's status page, with the one part that this repository adds. */
return view.extend({
	render: function() {
		const content = E('div');
		const section = E('div', { 'class': 'cbi-section', 'style': 'display:none' }, [ E('h3', {}, [ include.title ]), content ]);
		const update = () => include.load().then(data => {
			const nodes = include.render(data);

			if (nodes != null) {
				section.style.display = '';
				dom.content(content, nodes);
			}
		});

		poll.add(update);

		return update().then(() => E('div', {}, [ E('h2', {}, [ _('Status') ]), section ]));
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
