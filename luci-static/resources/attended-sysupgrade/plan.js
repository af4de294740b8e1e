'use strict';
'require baseclass';
'require attended-sysupgrade.widgets as widgets';

/* What an upgrade would change: the plan of the agent, or the one that webplan.js makes in the browser. */

/* Longer tables start folded, so that the button below stays in sight. */
const OPEN_ROWS = 12;

function release(it) {
	return it ? [ widgets.line(it.version), it.revision ? ' (%s)'.format(widgets.line(it.revision)) : '' ].join('') : '';
}

function headline(plan) {
	const target = widgets.line(plan.target.version);

	switch (plan.verdict) {
	case 'current':
		return [ 'success', _('This router is up to date.') ];
	case 'upgrade':
		return [ 'info', _('Version %s is available.').format(target) ];
	case 'rebuild':
		return [ 'info', _('Newer packages are available for version %s.').format(target) ];
	case 'downgrade':
		return [ 'warning', _('Version %s is older than what runs now. Settings of the newer version may not work with it.').format(target) ];
	case 'blocked':
		return [ 'warning', _('Version %s cannot be installed as things are.').format(target) ];
	default:
		return [ 'warning', _('The router gave a verdict this page does not know: %s').format(widgets.line(plan.verdict)) ];
	}
}

/* A table below a heading that can be folded away; nothing where there is nothing to show. */
function group(title, headings, rows) {
	if (!rows.length)
		return null;

	return E('details', { 'class': 'asu-fold', 'open': rows.length <= OPEN_ROWS ? '' : null }, [
		E('summary', {}, [ title ]),
		widgets.table(headings, rows)
	]);
}

function list(title, names) {
	return names.length
		? E('div', {}, [ E('h4', {}, [ title ]), E('ul', {}, names.map(name => E('li', {}, [ name ]))) ])
		: null;
}

function versionChanges(changes) {
	return changes.map(it => [ widgets.line(it.name), widgets.line(it.from), widgets.line(it.to) ]);
}

function namedVersions(packages) {
	return packages.map(it => [ widgets.line(it.name), widgets.line(it.version) ]);
}

/* How many packages are sent, and the whole order behind a fold: nothing is sent that is not shown here. */
function request(plan) {
	if (!plan.request)
		return null;

	const names = Object.keys(plan.request.packages_versions || {}).concat(plan.request.packages || []);

	return E('div', {}, [
		E('h4', {}, [ _('What will be sent') ]),
		E('p', {}, [ N_(names.length, '%d package will be asked for by name.', '%d packages will be asked for by name.').format(names.length) ]),
		widgets.fold(_('The whole request'), JSON.stringify(plan.request, null, 2))
	]);
}

return baseclass.extend({
	/* `24.10.2 (r28739-…)` */
	release: release,

	/* Names of wanted packages that the target does not have and that somebody has to decide about. */
	undecided: function(plan) {
		return plan.verdict == 'blocked' ? plan.packages.missing.map(it => it.name) : [];
	},

	/* One box a missing package; `changed` is called with the names that are ticked. */
	missing: function(plan, readonly, changed) {
		const missing = plan.packages.missing;

		if (!missing.length)
			return null;

		const boxes = [];
		const rows = missing.map(it => {
			const why = it.needed_by.length
				? _('needed by %s').format(it.needed_by.map(widgets.line).join(', '))
				: _('you asked for it');

			if (plan.verdict != 'blocked')
				return E('li', {}, [ '%s (%s)'.format(widgets.line(it.name), why) ]);

			const box = E('input', { 'type': 'checkbox', 'disabled': readonly || null });

			box.addEventListener('change', () => changed(missing.filter((m, i) => boxes[i].checked).map(m => m.name)));
			boxes.push(box);

			return E('li', {}, [
				E('label', { 'class': 'asu-choice asu-box' }, [ box, E('span', {}, [ _('Leave out %s (%s)').format(widgets.line(it.name), why) ]) ])
			]);
		});

		return E('div', { 'data-part': 'missing' }, [
			E('h4', {}, [ _('Packages that the new version does not have') ]),
			plan.verdict == 'blocked'
				? E('p', {}, [ _('Tick what the router can do without, or wait until the packages are there and search again.') ])
				: E('p', {}, [ _('They are left out.') ]),
			E('ul', { 'style': 'list-style:none; margin-left:0; padding-left:0' }, [].concat(rows))
		]);
	},

	/**
	 * The plan as nodes, without a button.
	 * it: { readonly: nothing can be ticked, changed: see `missing`, offered: whether it can be asked for }
	 */
	render: function(plan, it) {
		const changes = plan.packages;
		const defaults = plan.defaults;
		const head = headline(plan);
		const changed_rows = versionChanges(changes.upgrade);
		const older_rows = versionChanges(changes.downgrade);

		return [
			widgets.notice(head[0], null, [ E('p', { 'data-part': 'verdict' }, [ head[1] ]) ]),
			widgets.facts([
				[ _('Now'), release(plan.running) ],
				[ _('Then'), release(plan.target) ],
				[ _('Kernel then'), widgets.line(plan.target.kernel) ],
				[ _('Built'), widgets.line(plan.target.built_at) ],
				[ _('Upgrade server'), widgets.line(plan.server) ]
			]),
			list(_('Please note'), plan.notes.map(widgets.line)),
			this.missing(plan, it.readonly, it.changed),
			group(N_(changed_rows.length, '%d package gets a newer version', '%d packages get a newer version').format(changed_rows.length),
				[ _('Package'), _('Now'), _('Then') ], changed_rows),
			group(N_(older_rows.length, '%d package gets an older version', '%d packages get an older version').format(older_rows.length),
				[ _('Package'), _('Now'), _('Then') ], older_rows),
			group(_('New packages'), [ _('Package'), _('Version') ], namedVersions(changes.new)),
			group(_('Packages that go'), [ _('Package'), _('Version') ], namedVersions(changes.gone)),
			group(_('Packages under a new name'), [ _('Now'), _('Then') ],
				changes.renamed.map(it => [ widgets.line(it.from), widgets.line(it.to) ])),
			list(_('New default packages of the release'), defaults.added.map(widgets.line)),
			list(_('Default packages you removed, which stay away'), defaults.removed_by_user.map(widgets.line)),
			list(_('Default packages with something else in their place'),
				defaults.replaced.map(it => _('%s instead of %s').format(widgets.line(it.by), widgets.line(it.default)))),
			it.offered ? request(plan) : null
		];
	}
});
