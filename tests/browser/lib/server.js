/*
 * A small upgrade server for the way through the browser: one device, answers in the form that the recorded
 * exchanges with the public server have (tests of the agent use the recordings themselves).
 */

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

export const IMAGE = Buffer.from('firmware '.repeat(20000));

const sha256 = data => createHash('sha256').update(data).digest('hex');
const HASH = '613c2b16106ca74a192ba95f7826b21fff3216642231181d423c94f4414f33e4';
const NAME = 'openwrt-24.10.2-613c2b16106c-ath79-generic-tplink_archer-c7-v2-squashfs-sysupgrade.bin';
const BASE = [ 'base-files', 'ca-bundle', 'dnsmasq', 'libc' ];

const profile = (version, code, more) => ({
	arch_packages: 'mips_24kc', default_packages: BASE.concat(more), device_packages: [ 'kmod-ath10k-ct' ], id: 'tplink_archer-c7-v2',
	linux_kernel: { version: '6.6.93' }, source_date_epoch: 1750711236, target: 'ath79/generic', version_code: code, version_number: version
});

const overview = {
	latest: [ '25.12.0', '24.10.2' ],
	branches: {
		'24.10': {
			path: 'releases/{version}', enabled: true, versions: [ '24.10.2', '24.10.1', '24.10.0', '24.10.2-rc1' ],
			targets: { 'ath79/generic': 'mips_24kc' }, package_changes: [ { source: 'auc', target: 'owut', revision: 26792 } ]
		},
		'25.12': {
			path: 'releases/{version}', enabled: true, versions: [ '25.12.0' ], targets: { 'ath79/generic': 'mips_24kc' }, package_changes: []
		}
	}
};

const indexOf = names => Object.fromEntries(names.map(name => [ name, '2-r1' ]));

export class Server {
	/* Steps of the build are given one a question; the last one stays. */
	static async start() {
		const server = new Server();

		server.reset();
		server.http = createServer((request, response) => server.answer(request, response));
		await new Promise(resolve => server.http.listen(0, '127.0.0.1', resolve));
		server.url = `http://127.0.0.1:${server.http.address().port}`;

		return server;
	}

	reset() {
		this.orders = [];
		this.steps = [
			[ 202, { status: 202, detail: 'queued', queue_position: 3, request_hash: HASH } ],
			[ 200, this.finished() ]
		];
		this.index = BASE.concat('procd-ujail', 'kmod-ath10k-ct', 'luci', 'owut');
		this.image = IMAGE;
	}

	finished(changes = {}) {
		return {
			detail: 'done', imagebuilder_status: 'done', version_number: '24.10.2', version_code: 'r28739-d9340319c6', target: 'ath79/generic',
			id: 'tplink_archer-c7-v2', bin_dir: HASH, request_hash: HASH, manifest: indexOf(BASE.concat('procd-ujail', 'kmod-ath10k-ct', 'luci', 'owut')),
			images: [
				{ filesystem: 'squashfs', name: NAME.replace('sysupgrade', 'factory-eu'), type: 'factory', sha256: sha256('x') },
				{ filesystem: 'squashfs', name: NAME, type: 'sysupgrade', sha256: sha256(IMAGE) }
			],
			...changes
		};
	}

	async answer(request, response) {
		const { pathname } = new URL(request.url, this.url);
		const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*', 'Access-Control-Expose-Headers': 'Content-Length' };
		const json = (status, body) => {
			response.writeHead(status, { ...headers, 'Content-Type': 'application/json' });
			response.end(JSON.stringify(body));
		};

		if (request.method == 'OPTIONS')
			return response.writeHead(204, headers).end();

		if (pathname == '/json/v1/overview.json')
			return json(200, this.overview || overview);

		if (pathname == '/json/v1/releases/24.10.0/targets/ath79/generic/tplink_archer-c7-v2.json')
			return json(200, profile('24.10.0', 'r28427-6df0e3d02a', [ 'ppp' ]));

		if (pathname == '/json/v1/releases/24.10.2/targets/ath79/generic/tplink_archer-c7-v2.json')
			return json(200, profile('24.10.2', 'r28739-d9340319c6', [ 'ppp', 'procd-ujail' ]));

		if (pathname.endsWith('/targets/ath79/generic/index.json'))
			return json(200, { architecture: 'mips_24kc', packages: indexOf(this.index) });

		if (pathname.endsWith('/packages/mips_24kc-index.json'))
			return json(200, {});

		if (pathname.startsWith('/api/v1/build')) {
			if (request.method == 'POST') {
				let body = '';

				for await (const part of request)
					body += part;

				this.orders.push(JSON.parse(body));
			}

			return json(...(this.steps.length > 1 ? this.steps.shift() : this.steps[0]));
		}

		if (pathname.startsWith('/store/')) {
			response.writeHead(200, { ...headers, 'Content-Length': this.announced || this.image.length });

			return response.end(this.image);
		}

		json(404, {});
	}

	stop() {
		this.http.closeAllConnections();
		this.http.close();
	}
}
