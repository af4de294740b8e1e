'use strict';
'require baseclass';
'require dom';
'require uci';
'require ui';
'require attended-sysupgrade.api as api';
'require attended-sysupgrade.chooser as chooser';
'require attended-sysupgrade.image as images';
'require attended-sysupgrade.progress as progress';
'require attended-sysupgrade.web as web';
'require attended-sysupgrade.webplan as webplan';
'require attended-sysupgrade.widgets as widgets';

/* The second way, screen by screen: the same screens, but this browser does the work and must stay. */

/* Milliseconds between two questions how the build is. */
const INTERVAL = 5000;


function plainError(error) {
	return (error && error.kind) ? error : { kind: 'internal', message: _('This page met something it does not understand.'), detail: String(error) };
}

const Flow = baseclass.extend({
	/* options: { area, agent, error, readonly, advanced, keep, flashing(keep), back or null } */
	__init__: function(options) {
		this.it = options;
		this.server = web.server();
	},

	start: function() {
		if (!this.it.agent && this.it.error.kind != 'absent') {
			dom.content(this.it.area, [ widgets.error(this.it.error, [
				E('div', { 'class': 'asu-actions' }, [ widgets.button(_('Try again'), 'action', () => window.location.reload()) ])
			]) ]);

			return;
		}

		this.draw();
	},

	/* Says why this is another way, and what it means. */
	intro: function() {
		return widgets.notice('info', this.it.agent ? _('Through this browser') : _('No upgrade agent on this router'), [
			E('p', {}, [ this.it.agent
				? _('The router cannot reach the upgrade server. This browser can do it: it asks the server, downloads the image and carries it to the router.')
				: _('The upgrade agent is not installed on this router, so this browser does the work: it asks the server, downloads the image and carries it to the router.') ]),
			E('p', {}, [ _('Keep this page open until the image is installed. The router checks the image before it is written.') ]),
			this.it.back ? E('div', { 'class': 'asu-actions' }, [ widgets.button(_('Back'), 'neutral', this.it.back) ]) : null
		]);
	},

	draw: function() {
		const nodes = chooser.search({
			versions: this.versions,
			chosen: this.plan ? this.plan.target.version : null,
			advanced: this.it.advanced,
			running: this.searching,
			search: version => this.search(version)
		});

		if (this.error)
			nodes.unshift(widgets.error(this.error, [], this.plan && this.plan.request));

		if (this.plan)
			nodes.push(...chooser.plan(this.plan, {
				readonly: this.it.readonly,
				advanced: this.it.advanced,
				memory: this.router.memory,
				advice: _('This browser asks for the image, downloads it and carries it to the router. Nothing is installed before you say so.'),
				prepare: order => this.prepare(order)
			}));

		const section = widgets.section(_('Upgrade'), [
			this.router ? widgets.facts([
				[ _('Model'), widgets.line(this.router.model) ],
				[ _('Target'), widgets.line(this.router.target) ],
				[ _('Upgrade server'), widgets.line(this.server) ]
			]) : widgets.facts([ [ _('Upgrade server'), widgets.line(this.server) ] ])
		].concat(nodes));

		section.setAttribute('data-screen', 'choose');
		dom.content(this.it.area, [ this.intro(), section ]);
	},

	search: function(version) {
		this.searching = true;
		this.error = this.plan = null;
		this.draw();

		return this.look(version).catch(error => { this.error = plainError(error); }).then(() => {
			this.searching = false;
			this.draw();
		});
	},

	look: async function(version) {
		this.router = await web.router();

		const overview = await web.overview(this.server);

		this.versions = webplan.versions(overview, this.router);

		const running = webplan.branchOf(overview, this.router.running.version);
		const own = this.versions.branches.find(it => running && it.name == running.name) || this.versions.branches[0];

		if (!own)
			throw { kind: 'unsupported', message: _('The upgrade server builds nothing for the target %s.').format(this.router.target), detail: '' };

		const chosen = version || own.latest;
		const branch = webplan.branchOf(overview, chosen);
		const path = (it, v) => it.path.replace('{version}', v);
		const then = running && await web.profile(this.server, path(running, this.router.running.version), this.router.target, this.router.profile);
		const now = await web.profile(this.server, path(branch, chosen), this.router.target, this.router.profile);

		if (!now)
			throw { kind: 'unsupported', message: _('Version %s has no image for this router (profile %s).').format(chosen, this.router.profile), detail: '' };

		this.plan = webplan.make({
			server: this.server,
			router: this.router,
			branch: branch,
			version: chosen,
			then: then,
			now: now,
			index: await web.index(this.server, path(branch, chosen), this.router.target, branch.targets[this.router.target]),
			ignore: L.toArray(uci.get('attendedsysupgrade', 'agent', 'ignore'))
		});
	},

	/* From the request to the image on the router. */
	prepare: function(order) {
		const request = Object.assign({}, this.plan.request);

		request.packages_versions = Object.assign({}, request.packages_versions);

		for (const name of order.remove.concat(order.ignore))
			delete request.packages_versions[name];

		if (order.add.length) {
			request.packages = Object.keys(request.packages_versions).concat(order.add);
			delete request.packages_versions;
		}

		this.error = null;
		this.abort = new AbortController();
		this.screen = progress.create(() => this.abort.abort(), _('Keep this page open: this browser does the work.'));
		this.job = {
			phase: 'requesting', percent: null, detail: '', queue_position: null, bytes: null, bytes_total: null,
			server: this.server, version: this.plan.target.version, request_hash: '', started: Date.now() / 1000
		};
		this.tell({});
		dom.content(this.it.area, [ this.screen.node ]);

		return this.work(request).catch(error => {
			this.error = plainError(error);
			this.draw();
		});
	},

	tell: function(news) {
		Object.assign(this.job, news);
		this.screen.show(this.job, Date.now() / 1000);
	},

	amount: function(phase, bytes, total) {
		this.tell({ phase: phase, bytes: bytes, bytes_total: total, percent: total ? Math.floor(bytes * 100 / total) : null });
	},

	work: async function(request) {
		const signal = this.abort.signal;
		const finished = await this.wait(request, signal);

		if (finished.version_number != request.version || finished.target != request.target || (finished.id && finished.id != request.profile))
			throw { kind: 'mismatch', message: _('The upgrade server built an image for something else than what was asked. Try again later.'),
				detail: [ finished.version_number, finished.target, finished.id ].join(' ') };

		const image = await web.choose(finished, this.router);
		const room = this.router.memory && this.router.memory.tmp_free;
		const blob = await web.download(this.server, finished, image, room, signal, (n, all) => this.amount('downloading', n, all));
		const size = await web.upload(blob, image, (n, all) => this.amount('uploading', n, all));

		if (signal.aborted) {
			await web.remove();
			throw { kind: 'cancelled', message: _('Cancelled.'), detail: '' };
		}

		this.tell({ phase: 'verifying', bytes: null, bytes_total: null, percent: null });
		this.showImage(await this.verified(finished, image, size, request));
	},

	/* Asks for the build until it is done. */
	wait: async function(request, signal) {
		let answer = await web.build(this.server, request, null, signal);

		while (answer.status == 202) {
			const body = answer.body;
			const state = body.imagebuilder_status || body.detail;
			const position = state == 'queued' ? body.queue_position : null;

			this.tell({
				phase: state == 'queued' ? 'queued' : 'building',
				detail: state == 'queued' ? '' : String(state || ''),
				queue_position: typeof(position) == 'number' ? position : null,
				request_hash: String(body.request_hash || this.job.request_hash)
			});

			await new Promise(resolve => window.setTimeout(resolve, INTERVAL));

			if (signal.aborted)
				throw { kind: 'cancelled', message: _('Cancelled.'), detail: '' };

			answer = await web.build(this.server, request, this.job.request_hash, signal);
		}

		return answer.body;
	},

	/* The image on the router, with what was looked at: by the agent where there is one. */
	verified: async function(finished, image, size, request) {
		const manifest = finished.manifest || {};
		const absent = (request.packages || Object.keys(request.packages_versions)).filter(name => !(name in manifest));
		const checks = [
			{ name: 'sha256', result: 'pass', detail: _('The router has the file that the upgrade server announced.') },
			{ name: 'request', result: absent.length ? 'warning' : 'pass', detail: absent.length
				? _('Not in the image by this name: %s').format(absent.join(', '))
				: _('The image has the version and the packages that were asked for.') }
		];

		const judged = this.it.agent ? await api.verify(web.path) : null;

		return {
			path: web.path,
			sha256: image.sha256,
			size: size,
			version: finished.version_number,
			revision: finished.version_code,
			profile: finished.id || request.profile,
			checks: checks.concat(judged ? judged.checks.filter(check => check.name != 'sha256' && check.name != 'request') : [
				{ name: 'validation', result: 'skipped', detail: _('The router tests the image when you install it.') }
			]),
			keep_allowed: true
		};
	},

	showImage: function(image, error) {
		dom.content(this.it.area, [
			error ? widgets.error(error) : null,
			images.create(image, {
				readonly: this.it.readonly,
				keep: this.it.keep,
				install: choices => api.sysupgrade(Object.assign({ path: web.path }, choices))
					.then(() => this.it.flashing(choices.keep), refused => this.showImage(image, refused)),
				discard: () => web.remove().then(() => this.draw(), refused => this.showImage(image, plainError(refused)))
			})
		]);
	}
});

return baseclass.extend({
	create: options => new Flow(options)
});
