'use strict';
'require baseclass';
'require request';
'require rpc';
'require uci';
'require attended-sysupgrade.api as api';
'require attended-sysupgrade.widgets as widgets';

/*
 * What the browser does itself where the router has no agent, or no way to the internet: it asks the upgrade
 * server, and carries the image. The server is as strange to us here as it is to the agent: every answer is
 * bounded, every name that becomes part of an address or a path is checked.
 */

const DEFAULT_SERVER = 'https://sysupgrade.openwrt.org';

/* Where LuCI's own page and rpc-sys expect a firmware image; the only file cgi-io lets us write. */
const IMAGE_PATH = '/tmp/firmware.bin';

/* The largest answer is a package index of some 600 KiB; the largest images are those of x86 with large file systems. */
const JSON_LIMIT = 8 * 1024 * 1024;
const IMAGE_LIMIT = 1024 * 1024 * 1024;

/* A plain file name, a path of such, and a checksum. */
const plainName = /^[A-Za-z0-9_+~-][A-Za-z0-9_.+~-]*$/;
const sha256sum = /^[0-9a-f]{64}$/;

const callBoard = rpc.declare({ object: 'system', method: 'board', reject: true });
const callInfo = rpc.declare({ object: 'system', method: 'info', reject: true });
const callStat = rpc.declare({ object: 'file', method: 'list', params: [ 'path' ], reject: true });
const callRemove = rpc.declare({ object: 'file', method: 'remove', params: [ 'path' ], reject: true });

function fail(kind, message, detail) {
	return Promise.reject({ kind: kind, message: message, detail: detail || '' });
}

/* The body of an answer, as it comes; `progress` is told the bytes so far. Never more than `limit`. */
function read(response, limit, progress) {
	const chunks = [];
	const reader = response.body.getReader();
	let size = 0;

	const next = () => reader.read().then(part => {
		if (part.done)
			return new Blob(chunks);

		size += part.value.length;

		if (size > limit)
			return reader.cancel().then(() => fail('server', _('The upgrade server sent more than it announced, or more than makes sense.')));

		chunks.push(part.value);

		if (progress)
			progress(size);

		return next();
	});

	return next();
}

function get(url, options) {
	return window.fetch(url, Object.assign({ credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer' }, options)).catch(error => {
		if (error.name == 'AbortError')
			return fail('cancelled', _('Cancelled.'));

		return fail('offline', _('This browser cannot reach %s. Is it on the internet? A server of your own must allow access from web pages (CORS).').format(url), String(error));
	});
}

/* { status, body: the parsed JSON or null, text } */
function getJSON(url, options) {
	return get(url, options).then(response => read(response, JSON_LIMIT, null).then(blob => blob.text()).then(text => {
		let body = null;

		try {
			body = JSON.parse(text);
		} catch (e) {
			/* said below, with the beginning of what came instead */
		}

		return { status: response.status, body: body, text: text };
	}));
}

/* The server's refusals, each with what a router owner can do about it. */
function refusal(answer) {
	const body = L.isObject(answer.body) ? answer.body : {};
	const said = Array.isArray(body.detail)
		? body.detail.map(it => '%s: %s'.format((it.loc || []).join('.'), it.msg)).join('; ')
		: String(body.detail || '');
	const output = [ body.stderr, body.stdout ].filter(text => text).join('\n').slice(-8192);

	if (answer.body == null)
		return fail('server', _('The upgrade server answered with something else than data (HTTP %d). Is there a login page or a proxy in between?').format(answer.status), answer.text.slice(0, 2048));

	switch (answer.status) {
	case 400:
		return fail('unsupported', said || _('The upgrade server does not support this request.'));
	case 404:
		return fail('server', _('The upgrade server does not know this request any more. Try again.'), said);
	case 422:
		return fail(/package/i.test(said) ? 'packages' : 'unsupported', said || _('The upgrade server refuses this request.'));
	case 429:
	case 503:
	case 529:
		return fail('overloaded', _('Too many builds are waiting at the upgrade server. Try again later.'), said);
	case 500:
		return fail('build', said || _('The upgrade server could not build the image.'), output);
	default:
		return fail('server', _('The upgrade server answered with HTTP %d.').format(answer.status), said || answer.text.slice(0, 2048));
	}
}

function object(url) {
	return getJSON(url).then(answer => (answer.status == 200 && L.isObject(answer.body)) ? answer.body : refusal(answer));
}

/* Addresses are made of what the router and the overview say: every part is quoted. */
function quoted(path) {
	return String(path).split('/').map(encodeURIComponent).join('/');
}

return baseclass.extend({
	path: IMAGE_PATH,

	/* The first server of the configuration, without a slash at the end. */
	server: function() {
		const first = uci.sections('attendedsysupgrade', 'server')[0];

		return String((first && first.url) || DEFAULT_SERVER).replace(/\/+$/, '');
	},

	/**
	 * The router, without help of the agent:
	 * { board_name, profile, target, model, rootfs_type, boot, running: { version, revision }, memory or null, wanted, installed }
	 * wanted: what was asked for by name, installed: everything; both name → version.
	 */
	router: function() {
		return Promise.all([
			callBoard(), L.resolveDefault(callInfo(), null), api.packagelist(false), api.packagelist(true), L.resolveDefault(callStat('/sys/firmware/efi'), null)
		]).then(answers => {
			const board = answers[0], info = answers[1], efi = answers[4];
			const target = board.release.target;

			return {
				board_name: board.board_name,
				profile: /^x86\//.test(target) ? 'generic' : board.board_name.replace(/,/g, '_'),
				target: target,
				model: board.model,
				rootfs_type: board.rootfs_type,
				boot: /^(x86|armsr|loongarch64)\//.test(target) ? (L.isObject(efi) ? 'efi' : 'bios') : '',
				running: { version: board.release.version, revision: board.release.revision },
				memory: info && info.memory ? {
					available: info.memory.available,
					tmp_free: info.tmp ? info.tmp.avail * 1024 : null
				} : null,
				wanted: answers[2].packages,
				installed: answers[3].packages
			};
		}, error => error && error.kind ? Promise.reject(error) : fail('internal', _('The router does not say what it is.'), String(error)));
	},

	overview: server => object('%s/json/v1/overview.json'.format(server)),

	/* What the release has for the profile; null where it does not know it. */
	profile: function(server, path, target, profile) {
		return getJSON('%s/json/v1/%s/targets/%s/%s.json'.format(server, quoted(path), quoted(target), quoted(profile))).then(answer =>
			(answer.status == 200 && L.isObject(answer.body) && answer.body.version_code) ? answer.body : null);
	},

	/* Name → version of everything that the release has for this target and architecture. */
	index: function(server, path, target, arch) {
		return Promise.all([
			object('%s/json/v1/%s/targets/%s/index.json'.format(server, quoted(path), quoted(target))),
			object('%s/json/v1/%s/packages/%s-index.json'.format(server, quoted(path), quoted(arch)))
		]).then(parts => Object.assign({}, parts[1], parts[0].packages));
	},

	/* Asks for the build, or with `hash` how it is. { status: 202 or 200, body } */
	build: function(server, order, hash, signal) {
		const url = '%s/api/v1/build'.format(server);
		const asked = hash
			? getJSON('%s/%s'.format(url, quoted(hash)), { signal: signal })
			: getJSON(url, {
				method: 'POST',
				headers: { 'Content-Type': 'application/json' },
				body: JSON.stringify(order),
				signal: signal
			});

		return asked.then(answer => ((answer.status == 200 || answer.status == 202) && L.isObject(answer.body)) ? answer : refusal(answer));
	},

	/**
	 * Which of the finished images is for this router: { name, sha256 }, or a rejection.
	 */
	choose: function(finished, router) {
		const images = (finished.images || []).filter(it => it.filesystem == router.rootfs_type);
		const type = router.boot == 'efi' ? 'combined-efi' : (router.boot == 'bios' ? 'combined' : 'sysupgrade');
		const exact = images.filter(it => it.type == type);
		const others = router.boot ? [] : images.filter(it => !/factory|kernel|rootfs|initramfs/.test(it.type));
		const candidates = exact.length ? exact : others;

		if (candidates.length != 1)
			return fail('unsupported', _('The upgrade server offers no image this page could choose for sure.'), images.map(it => it.name).join('\n'));

		const image = candidates[0];

		if (!plainName.test(image.name) || !sha256sum.test(image.sha256) || !plainName.test(finished.bin_dir))
			return fail('server', _('The upgrade server names an image in a way that is not to be trusted.'), widgets.clean(image.name));

		return Promise.resolve(image);
	},

	/**
	 * Fetches the image into this browser. room: bytes the router has at most; progress(bytes, total or null).
	 */
	download: function(server, finished, image, room, signal, progress) {
		const url = '%s/store/%s/%s'.format(server, quoted(finished.bin_dir), quoted(image.name));

		return get(url, { signal: signal }).then(response => {
			const announced = Number(response.headers.get('Content-Length')) || null;

			if (!response.ok)
				return fail('server', _('The upgrade server does not have the image any more (HTTP %d). Try again.').format(response.status));

			if (room != null && announced > room)
				return fail('memory', _('The image has %s, and the router has only room for %s. Stop services or restart the router, then try again.').format(widgets.bytes(announced), widgets.bytes(room)));

			return read(response, Math.min(announced || IMAGE_LIMIT, room || IMAGE_LIMIT), size => progress(size, announced)).catch(error =>
				error.kind ? Promise.reject(error) : fail(error.name == 'AbortError' ? 'cancelled' : 'offline', error.name == 'AbortError' ? _('Cancelled.') : _('The download stopped half way. Try again.'), String(error)));
		});
	},

	/**
	 * Carries the image to the router and compares the checksum that the router made of it.
	 * The mode goes to cgi-io as octal digits: owner only.
	 */
	upload: function(blob, image, progress) {
		const form = new FormData();

		form.append('sessionid', rpc.getSessionID());
		form.append('filename', IMAGE_PATH);
		form.append('filemode', '600');
		form.append('filedata', blob);

		return request.post('%s/cgi-upload'.format(L.env.cgi_base), form, {
			timeout: 0,
			progress: ev => progress(ev.loaded, ev.total)
		}).then(response => response.json()).then(answer => {
			if (!L.isObject(answer) || answer.failure)
				return fail('storage', _('The router did not take the image.'), JSON.stringify(answer));

			if (answer.sha256sum != image.sha256)
				return fail('checksum', _('The image did not arrive on the router as the upgrade server announced it. Try again.'),
					'%s\n%s'.format(image.sha256, answer.sha256sum));

			return answer.size;
		}, error => fail('unreachable', _('The image could not be carried to the router.'), String(error)));
	},

	remove: () => callRemove(IMAGE_PATH)
});
