'use strict';
'require baseclass';
'require rpc';
'require ui';
'require attended-sysupgrade.api as api';
'require attended-sysupgrade.widgets as widgets';

/*
 * From the moment sysupgrade has the image until the router answers again.
 *
 * The router keeps answering for a while after it was told to flash, so an answer alone does not mean that it
 * is back: only an answer that no longer says "flashing" does, or one after a time without any.
 */

/* How often it is asked, in milliseconds, and when the page says that it takes long. */
const INTERVAL = 2000;
const PATIENCE = 5 * 60 * 1000;

/* How long the agent may take to say that it is flashing, before that counts as not having begun. */
const GRACE = 60 * 1000;

/* Where OpenWrt is found after its settings are gone. */
const DEFAULT_HOSTS = [ '192.168.1.1', 'openwrt.lan' ];

const callAccess = rpc.declare({ object: 'session', method: 'access', params: [ 'scope', 'object', 'function' ], reject: true });

/* The first of the hosts that answers, with its scheme, or null. */
function reachable(hosts) {
	const tries = [];

	for (const host of hosts)
		for (const scheme of [ 'http', 'https' ])
			tries.push(ui.pingDevice(scheme, host).then(() => '%s://%s'.format(scheme, host)));

	return Promise.any(tries).catch(() => null);
}

return baseclass.extend({
	/* The nodes of the screen. */
	create: function(keep) {
		const hosts = keep === false ? [ window.location.host ].concat(DEFAULT_HOSTS) : [ window.location.host ];
		const sentence = E('p', { 'class': 'spinning', 'data-part': 'sentence' }, [ _('The image is being written.') ]);
		const announcer = widgets.announcer();
		const long = E('p', { 'style': 'display:none' }, [
			_('This takes longer than usual. If the power light no longer blinks, the router may have a new address: try %s.').format(hosts.concat(DEFAULT_HOSTS).filter((h, i, all) => all.indexOf(h) == i).join(', '))
		]);

		const node = widgets.section(_('Installing'), [
			widgets.notice('warning', null, [ E('p', {}, [ _('Do not switch the router off.') ]) ]),
			sentence,
			E('p', {}, [ _('The router writes the image and starts again. That takes a few minutes; the network is away meanwhile. This page comes back by itself.') ]),
			keep === false ? E('p', {}, [ _('All settings are reset, so the router will answer at its default address, without a password.') ]) : null,
			long,
			announcer
		]);

		node.setAttribute('data-screen', 'flashing');

		return { node: node, hosts: hosts, sentence: sentence, announcer: announcer, long: long };
	},

	/**
	 * Watches until it is over. Resolves with a status that no longer says "flashing", or with null where the
	 * router is back and has no agent; leaves the page where the router came back without this session (its
	 * sessions do not survive a reboot).
	 * screen: from `create`; agent: whether the router has one.
	 */
	watch: function(screen, agent) {
		const since = Date.now();
		const page = L.url('admin/system/attended-sysupgrade/overview');
		const here = '%s//%s'.format(window.location.protocol, window.location.host);
		let seen = false, away = false;

		const tell = text => {
			screen.sentence.textContent = text;
			widgets.say(screen.announcer, text);
		};

		const later = () => new Promise(resolve => window.setTimeout(resolve, INTERVAL)).then(step);

		const leave = base => {
			tell(_('The router is back.'));
			window.location = base + page;
		};

		/* Without a session: while the system goes down, logins may be gone before the web server is. */
		const login = () => callAccess('ubus', 'session', 'access').then(() => true, error => !/-32000/.test(error.message))
			.then(back => back ? leave(here) : later());

		const answered = status => {
			if (status.job && status.job.phase == 'flashing')
				seen = true;
			else if (seen || away || Date.now() - since > GRACE)
				return status;

			return later();
		};

		const failed = error => {
			if (error.kind == 'absent' && !agent)
				return away ? null : later();

			if (!away)
				tell(_('The router starts again.'));

			away = true;

			if (error.kind == 'denied') {
				/* LuCI has put its "session expired" over the page. */
				ui.hideModal();

				return login();
			}

			if (error.kind == 'absent')
				return later();

			return reachable(screen.hosts).then(base => (base && base != here) ? leave(base) : later());
		};

		const step = () => {
			if (Date.now() - since > PATIENCE)
				screen.long.style.display = '';

			return api.status().then(answered, failed);
		};

		return step();
	}
});
