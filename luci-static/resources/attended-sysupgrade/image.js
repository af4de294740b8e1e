'use strict';
'require baseclass';
'require rpc';
'require ui';
'require attended-sysupgrade.widgets as widgets';

/* The verified image in hand: what was looked at, what becomes of the settings, and the last question. */

const names = {
	size: _('Size'),
	sha256: _('Checksum'),
	request: _('What was asked for'),
	metadata: _('Device and version'),
	signature: _('Signature'),
	rebuilders: _('Other servers'),
	validation: _('Test by the system'),
	memory: _('Memory')
};

const results = {
	pass: _('passed'),
	warning: _('warning'),
	fail: _('failed'),
	skipped: _('not checked')
};

function checks(image) {
	const table = widgets.table([ _('Check'), _('Result'), _('Detail') ], image.checks.map(check => [
		names[check.name] || widgets.line(check.name),
		E('span', { 'class': 'asu-result', 'data-result': widgets.line(check.result) }, [
			results[check.result] || widgets.line(check.result)
		]),
		widgets.line(check.detail)
	]));

	table.setAttribute('data-part', 'checks');

	return table;
}

/* cgi-io sends the settings as a file; the session travels in the form's body, not in an address. */
function backup() {
	return E('form', { 'method': 'post', 'action': '%s/cgi-backup'.format(L.env.cgi_base), 'data-part': 'backup' }, [
		E('input', { 'type': 'hidden', 'name': 'sessionid', 'value': rpc.getSessionID() }),
		E('button', { 'class': 'btn cbi-button', 'type': 'submit' }, [ _('Download a backup of the settings') ])
	]);
}

function choice(box, text) {
	return E('label', { 'class': 'asu-choice asu-box' }, [ box, E('span', {}, [ text ]) ]);
}

return baseclass.extend({
	/**
	 * The screen.
	 * image: as `status` has it. options: { readonly, keep: what the box starts with,
	 * install({ keep, force }), discard() }: both return promises.
	 */
	create: function(image, options) {
		const failed = image.checks.some(check => check.result == 'fail');
		const warned = image.checks.some(check => check.result == 'warning');
		const keep = E('input', { 'type': 'checkbox', 'name': 'keep' });
		const force = E('input', { 'type': 'checkbox', 'name': 'force' });

		keep.checked = image.keep_allowed && options.keep !== false;
		keep.disabled = !image.keep_allowed || options.readonly;
		force.disabled = options.readonly;

		const install = widgets.button(_('Install…'), 'positive important',
			() => this.confirm(image, { keep: keep.checked, force: force.checked }, options.install),
			options.readonly || failed || warned);

		force.addEventListener('change', () => { install.disabled = options.readonly || failed || !force.checked; });

		const node = widgets.section(_('The image is ready'), [
			widgets.facts([
				[ _('Version'), image.revision ? '%s (%s)'.format(widgets.line(image.version), widgets.line(image.revision)) : widgets.line(image.version) ],
				[ _('Profile'), widgets.line(image.profile) ],
				[ _('Size'), widgets.bytes(image.size) ],
				[ _('SHA-256'), widgets.line(image.sha256) ]
			]),
			checks(image),
			failed ? widgets.notice('warning', null, [ E('p', {}, [ _('This image will not be installed: a check failed.') ]) ]) : null,
			choice(keep, _('Keep the settings')),
			image.keep_allowed ? null : E('p', { 'data-part': 'keep-reason' }, [
				_('The settings cannot be kept: the image says that they do not fit the new version. Write down what you need.')
			]),
			(warned && !failed) ? choice(force, _('I have read the warnings and want to install the image all the same')) : null,
			options.readonly ? null : backup(),
			E('div', { 'class': 'asu-actions' }, [
				install,
				widgets.button(_('Discard the image'), 'reset', ui.createHandlerFn(this, options.discard), options.readonly)
			])
		]);

		node.setAttribute('data-screen', 'image');

		return node;
	},

	/* The last question. */
	confirm: function(image, choices, install) {
		const go = widgets.button(_('Install now'), 'negative important', () => {
			ui.hideModal();
			install(choices);
		});

		ui.showModal(_('Install this version?'), [
			E('p', {}, [ _('Version %s will be written to the router, which then starts again. The network is away for some minutes. Do not switch the router off meanwhile.').format(widgets.line(image.version)) ]),
			E('p', { 'data-part': 'keep' }, [ choices.keep
				? _('The settings are kept.')
				: _('All settings will be lost: passwords, network and wireless.') ]),
			E('div', { 'class': 'right' }, [
				widgets.button(_('Not yet'), 'neutral', ui.hideModal), ' ', go
			])
		]);

		go.focus();
	}
});
