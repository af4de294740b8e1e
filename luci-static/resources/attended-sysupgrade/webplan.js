'use strict';
'require baseclass';

/*
 * The plan, made in the browser: what the user chose, on the new release's defaults. The agent does the same with
 * more knowledge (what provides what, what needs what); the result has the same shape (design of the ubus object).
 */

/* Part of every system, never asked for. */
const PSEUDO = [ 'kernel', 'libc', 'libgcc' ];

/* What the server takes for a package name. */
const packageName = /^[\w.,-]+$/;

/* `r28739-d9340319c6` → 28739; snapshots of others → 0. */
function revisionNumber(revision) {
	const m = /^r(\d+)/.exec(revision || '');

	return m ? +m[1] : 0;
}

/* Numbers as numbers, and a candidate before its release: 24.10.0-rc1 < 24.10.0 < 24.10.10. */
function compare(a, b) {
	const split = version => {
		const m = /^([\d.]+)(?:-rc(\d+))?/.exec(version);

		return m ? m[1].split('.').map(Number).concat(m[2] ? [ -1, +m[2] ] : []) : [];
	};
	const x = split(a), y = split(b);

	for (let i = 0; i < Math.max(x.length, y.length); i++) {
		const d = (x[i] || 0) - (y[i] || 0);

		if (d)
			return d;
	}

	return 0;
}

/* Default packages of a profile; an entry `-x` takes x away. */
function defaults(profile) {
	const names = new Set();

	for (const name of (profile.default_packages || []).concat(profile.device_packages || []))
		if (name.startsWith('-'))
			names.delete(name.slice(1));
		else
			names.add(name);

	return names;
}

/* The branch's renamings as a function: name → name, or null where it is gone. */
function changes(branch, revision) {
	const map = new Map();

	for (const change of branch.package_changes || [])
		if (change.source && (change.revision || 0) <= revision)
			map.set(change.source, change.target || null);

	return name => map.has(name) ? map.get(name) : name;
}

return baseclass.extend({
	compare: compare,

	/* The overview as the agent's `versions` has it: newest branch first; only where our target is built. */
	versions: function(overview, router) {
		const candidate = /-rc/.test(router.running.version);
		const branches = [];

		for (const name in overview.branches) {
			const branch = overview.branches[name];

			if (branch.enabled === false || !(branch.targets || {})[router.target])
				continue;

			const names = (branch.versions || []).slice().sort((a, b) => compare(b, a));
			const offered = names.filter(v => /^[\d.]+$/.test(v) || (candidate && /-rc/.test(v)) || /SNAPSHOT$/.test(router.running.version));

			if (offered.length)
				branches.push({ name: name, latest: offered[0], versions: names });
		}

		return { branches: branches.sort((a, b) => compare(b.name, a.name)), running: router.running };
	},

	/* The branch that holds a version: { name, … of the overview } or null. */
	branchOf: function(overview, version) {
		for (const name in overview.branches)
			if ((overview.branches[name].versions || []).includes(version))
				return Object.assign({ name: name }, overview.branches[name]);

		return null;
	},

	/**
	 * it: { server, router (web.js), branch, version, then: profile of the running release or null,
	 * now: profile of the target, index: name → version, ignore: names to leave out if missing }
	 */
	make: function(it) {
		const router = it.router;
		const renamed = changes(it.branch, revisionNumber(it.now.version_code));
		const wanted = Object.keys(router.wanted).filter(name => !PSEUDO.includes(name));
		const now = defaults(it.now), then = it.then ? defaults(it.then) : null;
		const notes = [], moved = [], names = new Set();

		if (!then)
			notes.push(_('The default packages of the running version are unknown, so new default packages of the release are left out.'));

		const removals = then ? Array.from(then).filter(name => !PSEUDO.includes(name) && !(name in router.installed)) : [];

		for (const name of then ? now : [])
			if (!PSEUDO.includes(name) && !removals.map(renamed).includes(name))
				names.add(name);

		for (const name of wanted) {
			if (then && then.has(name))
				continue;

			const target = renamed(name);

			if (target != null)
				names.add(target);

			if (target != name)
				moved.push({ from: name, to: target });
		}

		for (const name of Array.from(names)) {
			if (packageName.test(name))
				continue;

			names.delete(name);
			notes.push(_('The package %s is left out: the upgrade server refuses such names.').format(name));
		}

		const missing = Array.from(names).filter(name => !(name in it.index));
		const blocked = missing.some(name => !it.ignore.includes(name));

		for (const name of missing)
			names.delete(name);

		const changed = Object.keys(router.installed).filter(name => name in it.index && it.index[name] != router.installed[name])
			.map(name => ({ name: name, from: router.installed[name], to: it.index[name] }));
		const order = compare(it.version, router.running.version);
		const same = it.now.version_code == router.running.revision;

		return {
			server: it.server,
			running: router.running,
			target: {
				version: it.version,
				revision: it.now.version_code,
				kernel: (it.now.linux_kernel && it.now.linux_kernel.version) || '',
				branch: it.branch.name,
				built_at: it.now.source_date_epoch ? new Date(it.now.source_date_epoch * 1000).toISOString() : ''
			},
			verdict: blocked ? 'blocked' : (order < 0 ? 'downgrade' : (same ? (changed.length ? 'rebuild' : 'current') : 'upgrade')),
			packages: {
				upgrade: changed,
				downgrade: [],
				new: Array.from(names).filter(name => !(name in router.installed) && !moved.some(m => m.to == name))
					.map(name => ({ name: name, version: it.index[name] })),
				gone: moved.filter(m => m.to == null).map(m => ({ name: m.from, version: router.installed[m.from] || '' })),
				renamed: moved.filter(m => m.to != null),
				missing: missing.map(name => ({ name: name, needed_by: [] }))
			},
			defaults: {
				added: then ? Array.from(now).filter(name => !then.has(name) && !(name in router.installed)) : [],
				removed_by_user: removals,
				replaced: []
			},
			notes: notes,
			request: {
				distro: 'openwrt',
				version: it.version,
				version_code: it.now.version_code,
				target: router.target,
				profile: it.now.id || router.profile,
				packages_versions: Object.fromEntries(Array.from(names).sort().map(name => [ name, it.index[name] ])),
				diff_packages: true,
				client: 'luci-app-attended-sysupgrade'
			}
		};
	}
});
