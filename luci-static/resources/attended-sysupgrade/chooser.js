'use strict';
'require baseclass';
'require ui';
'require attended-sysupgrade.widgets as widgets';
'require attended-sysupgrade.plan as plans';

/* Which release, what it would change, and the one button. Used with the agent's plan and the browser's. */

/* Versions as options, a group a branch. All of a branch's versions only where somebody asked for details. */
function options(versions, advanced, chosen) {
	return versions.branches.map(branch => {
		const names = advanced ? branch.versions : [ branch.latest ];

		return E('optgroup', { 'label': widgets.line(branch.name) }, names.map(name => E('option', {
			'value': name,
			'selected': name == chosen ? '' : null
		}, [ widgets.line(name) ])));
	});
}

/* What is chosen as long as nobody chose: the newest of the branch that runs now. */
function newest(versions) {
	const branch = versions.branches.find(it => it.versions.includes(versions.running.version)
		|| versions.running.version.startsWith('%s.'.format(it.name)) || versions.running.version == it.name);

	return branch ? branch.latest : null;
}

/* Package names out of a text field. */
function words(field) {
	return field ? field.value.split(/[\s,]+/).filter(word => word.length) : [];
}

function textField(label, readonly) {
	const field = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'disabled': readonly || null });

	return { field: field, node: E('label', { 'class': 'asu-choice' }, [ label, ' ', field ]) };
}

return baseclass.extend({
	/**
	 * The chooser and the button that searches.
	 * options: { versions or null, chosen, advanced, running, search(version or null) → promise }
	 */
	search: function(it) {
		const select = it.versions
			? E('select', { 'class': 'cbi-input-select', 'name': 'version', 'disabled': it.running || null }, [].concat(options(it.versions, it.advanced, it.chosen || newest(it.versions))))
			: null;

		const actions = E('div', { 'class': 'asu-actions' }, [
			widgets.button(it.versions ? _('Search again') : _('Search for upgrades'), 'action',
				ui.createHandlerFn(this, () => it.search(select ? select.value : null)), it.running)
		]);

		if (select)
			select.addEventListener('change', () => it.search(select.value));

		return [
			select ? E('label', { 'class': 'asu-choice' }, [ _('Version'), ' ', select ]) : null,
			actions,
			it.running
				? E('p', { 'class': 'spinning', 'role': 'status' }, [ _('The upgrade server is asked what it has…') ])
				: null
		];
	},

	/**
	 * The plan, the choices it leaves, and the button that prepares the upgrade.
	 * options: { readonly, advanced, memory: { available, tmp_free } or null, advice: what the button does,
	 * prepare({ version, add, remove, ignore }) → promise }, where ignore are the missing packages to go without
	 */
	plan: function(plan, it) {
		const undecided = plans.undecided(plan);
		let dropped = [];

		const add = it.advanced ? textField(_('Additional packages'), it.readonly) : null;
		const remove = it.advanced ? textField(_('Packages to leave out'), it.readonly) : null;

		const allowed = () => !it.readonly && (undecided.length
			? undecided.every(name => dropped.includes(name))
			: plan.verdict != 'blocked' && (plan.verdict != 'current' || it.advanced));

		const label = plan.verdict == 'current' ? _('Build this version again') : _('Prepare the upgrade');
		const button = widgets.button(label, 'positive important', ui.createHandlerFn(this, () => it.prepare({
			version: plan.target.version,
			add: add ? words(add.field) : [],
			remove: remove ? words(remove.field) : [],
			ignore: dropped
		}).finally(() => window.setTimeout(() => { button.disabled = !allowed(); }, 0))), !allowed());

		/* A router that is up to date has nothing to ask for, unless somebody wants to see more. */
		const offered = plan.verdict != 'current' || it.advanced;
		const nodes = plans.render(plan, {
			readonly: it.readonly,
			offered: offered,
			changed: names => {
				dropped = names;
				button.disabled = !allowed();
			}
		});

		return nodes.concat([
			(it.memory && offered) ? widgets.facts([
				[ _('Free memory'), widgets.bytes(it.memory.available) ],
				[ _('Free space for the image'), widgets.bytes(it.memory.tmp_free) ]
			]) : null,
			add ? add.node : null,
			remove ? remove.node : null,
			offered ? E('div', {}, [
				E('p', {}, [ it.advice ]),
				E('div', { 'class': 'asu-actions' }, [ button ])
			]) : null
		]);
	}
});
