'use strict';
'require view';
'require dom';
'require poll';
'require uci';
'require ui';
'require attended-sysupgrade.api as api';
'require attended-sysupgrade.chooser as chooser';
'require attended-sysupgrade.flashing as flashing';
'require attended-sysupgrade.image as images';
'require attended-sysupgrade.progress as progress';
'require attended-sysupgrade.result as results';
'require attended-sysupgrade.webflow as webflow';
'require attended-sysupgrade.widgets as widgets';

/*
 * The router does the work, this page shows it: everything it draws follows from `status`, so that it shows the
 * same at any time and in any browser. Only what is typed or ticked here lives here.
 */

/* Phases of a job in which nothing is under way. */
const AT_REST = [ 'ready', 'done', 'failed', 'cancelled' ];

/* Errors for which the connection of this browser may be a way round. */
const ROUTER_HAS_NO_WAY = [ 'offline', 'clock', 'tls' ];

/* Seconds between two looks at `status`. */
const INTERVAL = 2;

return view.extend({
	load: function() {
		return Promise.all([
			api.status().catch(error => ({ failure: error })),
			api.info().catch(() => null),
			L.resolveDefault(uci.load('attendedsysupgrade'), null)
		]);
	},

	render: function(data) {
		this.status = data[0];
		this.info = data[1];
		this.agent = this.status.failure == null;
		this.readonly = !L.hasViewPermission();
		this.advanced = uci.get('attendedsysupgrade', 'client', 'advanced_mode') == '1';
		this.keep = uci.get('attendedsysupgrade', 'agent', 'keep_settings') != '0';
		this.messages = E('div', { 'data-part': 'messages' });
		this.area = E('div', { 'data-part': 'area' });

		if (this.agent)
			poll.add(() => this.refresh(), INTERVAL);

		this.draw();

		return E('div', { 'class': 'cbi-map' , 'data-page': 'attended-sysupgrade' }, [
			widgets.style(),
			E('h2', {}, [ _('Attended Sysupgrade') ]),
			this.readonly ? widgets.notice('info', null, [ E('p', {}, [ _('This account may look, but not change anything.') ]) ]) : null,
			this.messages,
			this.area
		]);
	},

	/* Asks for the state and draws what is new. A router that does not answer is said once, not every two seconds. */
	refresh: function() {
		if (this.watching || this.web)
			return Promise.resolve();

		return api.status().then(status => {
			this.status = status;
			this.complain('status', null);
			this.draw();
		}, error => {
			this.complain('status', error);
		});
	},

	/* Shows an error of one source in place of its former one; null takes it away. */
	complain: function(source, error) {
		const old = this.messages.querySelector('[data-source="%s"]'.format(source));
		const node = error ? E('div', { 'data-source': source }, [ widgets.error(error) ]) : null;

		if (old && (!error || old.textContent != node.textContent))
			old.remove();

		if (node && !(old && old.parentNode))
			this.messages.appendChild(node);
	},

	/* Draws the screen that belongs to the state, anew only where something other than progress changed. */
	draw: function() {
		if (this.web)
			return;

		if (!this.agent)
			return this.startWeb(this.status.failure);

		const job = this.status.job;

		if (job && job.phase == 'flashing')
			return this.showFlashing(null);

		if (job && !AT_REST.includes(job.phase))
			return this.showJob(job);

		const key = JSON.stringify([ this.status, this.versions, this.searching ]);

		if (key == this.drawn)
			return;

		this.drawn = key;
		dom.content(this.area, [].concat(this.status.image ? this.imageScreen(this.status.image) : this.chooseScreen()));
	},

	showJob: function(job) {
		const key = 'job:%d'.format(job.id);

		if (this.drawn != key) {
			this.drawn = key;
			this.job = progress.create(this.readonly ? null : ui.createHandlerFn(this, 'handleCancel'));
			dom.content(this.area, [ this.job.node ]);
		}

		/* The router's clock may be anything: only its differences count, and our own clock since its last word. */
		if (this.heard != job.updated) {
			this.heard = job.updated;
			this.heardAt = Date.now();
		}

		this.job.show(job, job.updated + (Date.now() - this.heardAt) / 1000);
	},

	/* keep: whether settings are kept, null where another browser chose it. */
	showFlashing: function(keep) {
		if (this.watching)
			return;

		const screen = flashing.create(keep);

		this.watching = true;
		this.drawn = null;
		dom.content(this.messages, []);
		dom.content(this.area, [ screen.node ]);

		return flashing.watch(screen, this.agent).then(status => api.info().catch(() => null).then(info => {
			/* Another system runs: what was known of the former one is worth nothing. */
			this.watching = false;
			this.web = this.versions = null;
			this.info = info;

			if (status)
				this.status = status;

			this.draw();
		}));
	},

	router: function() {
		if (!this.info)
			return null;

		const device = this.info.device, running = this.info.running;

		return widgets.section(_('This router'), [
			widgets.facts([
				[ _('Model'), widgets.line(device.model || device.board_name) ],
				[ _('Target'), widgets.line(device.target) ],
				[ _('Firmware'), '%s %s (%s)'.format(widgets.line(running.distribution), widgets.line(running.version), widgets.line(running.revision)) ],
				[ _('Kernel'), widgets.line(running.kernel) ],
				[ _('Upgrade servers'), this.info.servers.map(widgets.line).join(', ') ]
			])
		]);
	},

	/* Why the last job ended, where it ended without an image, until somebody searched again. */
	lastJob: function(plan) {
		const job = this.status.job, check = this.status.check;

		if (!job || (job.phase != 'failed' && job.phase != 'cancelled') || (plan && check.at > job.updated))
			return null;

		const error = job.error || { kind: job.phase == 'cancelled' ? 'cancelled' : 'internal', message: _('The upgrade was not finished.') };

		return widgets.error(error, [ this.wayRound(error) ], plan && plan.request);
	},

	/* A button for the way through this browser, where the router itself has none. */
	wayRound: function(error) {
		if (this.readonly || !ROUTER_HAS_NO_WAY.includes(error.kind))
			return null;

		return E('div', { 'class': 'asu-actions' }, [
			widgets.button(_('Use the connection of this browser instead'), 'neutral', () => this.startWeb(error))
		]);
	},

	chooseScreen: function() {
		const check = this.status.check;
		const plan = check && !check.running && check.plan;
		const error = check && !check.running && check.error;
		const last = this.status.last_upgrade;

		const nodes = chooser.search({
			versions: this.versions,
			chosen: plan ? plan.target.version : null,
			advanced: this.advanced,
			running: this.searching || (check && check.running),
			search: version => this.handleSearch(version)
		});

		if (error)
			nodes.push(widgets.error(error, [ this.wayRound(error) ]));

		if (plan)
			nodes.push(E('p', {}, [ _('As of %s').format(widgets.date(check.at)) ]), ...chooser.plan(plan, {
				readonly: this.readonly,
				advanced: this.advanced,
				memory: this.info && this.info.memory,
				advice: _('The router asks for the image, downloads it and makes sure of it. Nothing is installed before you say so.'),
				prepare: order => this.handlePrepare(order)
			}));

		const section = widgets.section(_('Upgrade'), nodes);

		section.setAttribute('data-screen', 'choose');

		return [
			this.lastJob(plan),
			last ? results.render(last, _('Last upgrade')) : null,
			this.router(),
			section
		];
	},

	imageScreen: function(image) {
		return [
			this.lastJob(null),
			images.create(image, {
				readonly: this.readonly,
				keep: this.keep,
				install: choices => this.handleInstall(choices),
				discard: () => this.act('discard', api.clean())
			})
		];
	},

	/* Waits for a call, shows what went wrong, and what is then. */
	act: function(source, promise) {
		return promise.then(() => this.complain(source, null), error => this.complain(source, error))
			.then(() => this.refresh());
	},

	/* Resolves when no check is under way: the agent answers one question after the other. */
	settled: function() {
		return api.status().then(status => (status.check && status.check.running)
			? new Promise(resolve => window.setTimeout(resolve, INTERVAL * 500)).then(() => this.settled())
			: status);
	},

	handleSearch: function(version) {
		this.searching = true;
		this.draw();

		return api.check(version)
			.then(() => this.settled())
			.then(status => (this.versions || (status.check && status.check.error)) ? this.versions : api.versions())
			.then(versions => {
				this.versions = versions;
				this.complain('search', null);
			}, error => this.complain('search', error))
			.finally(() => { this.searching = false; })
			.then(() => this.refresh());
	},

	handlePrepare: function(order) {
		return this.act('prepare', api.prepare(order));
	},

	handleCancel: function() {
		return this.act('cancel', api.cancel().then(answer => answer.cancelled ? null : Promise.reject({
			kind: 'busy',
			message: _('This step can no longer be cancelled.')
		})));
	},

	handleInstall: function(choices) {
		return api.sysupgrade(choices).then(() => this.showFlashing(choices.keep), error => {
			this.complain('install', error);

			return this.refresh();
		});
	},

	/* The second way: the browser talks to the server. `error` says why the first one is not there. */
	startWeb: function(error) {
		this.drawn = null;
		this.web = webflow.create({
			area: this.area,
			agent: this.agent,
			error: error,
			readonly: this.readonly,
			advanced: this.advanced,
			keep: this.keep,
			flashing: keep => this.showFlashing(keep),
			back: this.agent ? () => {
				this.web = null;
				this.draw();
			} : null
		});

		return this.web.start();
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
