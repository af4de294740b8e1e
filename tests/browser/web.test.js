/* The way through the browser: a router with the small plugin only, or one that cannot reach the server. */

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as answers from './lib/answers.js';
import { CONFIG, Host, exactly, picture } from './lib/host.js';
import { IMAGE, Server } from './lib/server.js';

const WANTED = { luci: '1-r1', auc: '1-r1', 'base-files': '1-r1', dnsmasq: '1-r1' };
const INSTALLED = { ...WANTED, 'ca-bundle': '1-r1', libc: '1-r1', 'kmod-ath10k-ct': '1-r1', libubox: '1-r1' };

const SYSTEM = {
	system: {
		board: { data: answers.board },
		info: { data: { memory: { available: 83886080 }, tmp: { avail: 61440 } } }
	}
};

let host, server;

before(async () => {
	server = await Server.start();
	host = await Host.start(CONFIG.replace('http://127.0.0.1:9', `${server.url}/`));
});
afterEach(() => {
	server.reset();

	return host.closePages();
});
after(() => {
	if (host)
		host.stop();

	server.stop();
});

/* What a router without the agent has; changes: further answers of the object. */
function plugin(changes = {}) {
	const packagelist = exactly({ data: { packages: WANTED }, when: { argument: 'all', data: { packages: INSTALLED } } });

	return host.script({ packagelist, ...changes }, SYSTEM);
}

async function found(options) {
	const page = await host.open(options);

	await page.click('text=Search for upgrades');
	await page.waitForSelector('[data-part=verdict], [data-kind]');

	return page;
}

test('without the agent: search, build, download, upload, install, come back', async () => {
	await plugin();

	const page = await host.open();

	assert.match(await page.locator('#view').innerText(), /No upgrade agent on this router/);
	assert.match(await page.locator('#view').innerText(), /Keep this page open/);
	await picture(page, 'web-intro');
	await page.click('text=Search for upgrades');
	await page.waitForSelector('[data-part=verdict]');
	assert.equal(await page.inputValue('select[name=version]'), '24.10.2');
	await picture(page, 'web-plan');
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('li[data-step=queued][aria-current=step]');
	assert.match(await page.locator('[data-part=facts]').innerText(), /Builds before this one\s+3/);
	await picture(page, 'web-queued');
	await page.waitForSelector('[data-screen=image]');
	await picture(page, 'web-image');

	const [ order ] = server.orders;

	assert.equal(order.diff_packages, true);
	assert.equal(order.version_code, 'r28739-d9340319c6');
	assert.deepEqual(Object.keys(order.packages_versions), [ 'base-files', 'ca-bundle', 'dnsmasq', 'kmod-ath10k-ct', 'luci', 'owut', 'procd-ujail' ].sort(),
		'defaults of the new release with procd-ujail, without the ppp that was removed, auc under its new name');

	const file = join(host.root, 'tmp/firmware.bin');

	assert.ok(readFileSync(file).equals(IMAGE));
	assert.equal((statSync(file).mode & 0o777).toString(8), '600');

	await plugin({ sysupgrade: { started: true } });
	await page.click('text=Install…');
	await page.click('text=Install now');
	await page.waitForSelector('[data-screen=flashing]');

	const [ call ] = await host.calls('sysupgrade');

	delete call.ubus_rpc_session;
	assert.deepEqual(call, { path: '/tmp/firmware.bin', keep: true }, 'the plugin knows no force');
	await host.post('/script/reboot', null);
	await page.waitForSelector('[name=luci_username]');
	assert.match(page.url(), /attended-sysupgrade\/overview$/);
	assert.deepEqual(page.failures, []);
});

test('a refused image says why, and can be thrown away', async () => {
	await plugin({ sysupgrade: { error: { kind: 'sysupgrade', message: 'The router refuses this image.', detail: 'Device mismatch' } } });

	const page = await found();

	server.steps = [ [ 200, server.finished() ] ];
	await page.click('text=Prepare the upgrade');
	await page.click('text=Install…');
	await page.click('text=Install now');
	await page.waitForSelector('[data-kind=sysupgrade]');
	await picture(page, 'web-refused');
	assert.ok(existsSync(join(host.root, 'tmp/firmware.bin')));
	await page.click('text=Discard the image');
	await page.waitForSelector('[data-screen=choose]');
	assert.ok(!existsSync(join(host.root, 'tmp/firmware.bin')));
});

test('a package that the new version does not have', async () => {
	await plugin();
	server.index = server.index.filter(name => name != 'luci');

	const page = await found();

	await page.getByLabel('Leave out luci').check();
	server.steps = [ [ 200, server.finished() ] ];
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('[data-screen=image]');
	assert.ok(!('luci' in server.orders[0].packages_versions));
});

const refusals = {
	overloaded: server => { server.steps = [ [ 529, { detail: 'server overload, queue contains too many build requests' } ] ]; },
	packages: server => { server.steps = [ [ 422, { detail: [ { loc: [ 'body', 'packages', 0 ], msg: 'String should match pattern' } ] } ] ]; },
	unsupported: server => { server.steps = [ [ 400, { detail: 'Unsupported profile: x', status: 400 } ] ]; },
	build: server => { server.steps = [ [ 500, { detail: 'Error: Impossible package selection', stderr: 'a wall of text', stdout: '' } ] ]; },
	mismatch: server => { server.steps = [ [ 200, server.finished({ version_number: '23.05.0' }) ] ]; },
	checksum: server => { server.steps = [ [ 200, server.finished() ] ]; server.image = Buffer.alloc(IMAGE.length); },
	memory: server => { server.steps = [ [ 200, server.finished() ] ]; server.image = Buffer.alloc(61440 * 1024 + 1); },
	server: server => { server.steps = [ [ 200, server.finished({ images: [ { filesystem: 'squashfs', type: 'sysupgrade', name: '../etc', sha256: 'a'.repeat(64) } ] }) ] ]; }
};

for (const kind in refusals)
	test(`from the server: ${kind}`, async () => {
		await plugin();

		const page = await found();

		refusals[kind](server);
		await page.click('text=Prepare the upgrade');
		await page.waitForSelector(`[data-kind=${kind}]`);
		await picture(page, `web-error-${kind}`);
		assert.equal(await page.locator('button', { hasText: 'Prepare the upgrade' }).count(), 1, 'and it can be tried again');
	});

test('cancelled while it is built', async () => {
	await plugin();

	const page = await found();

	server.steps = [ [ 202, { status: 202, detail: 'queued', queue_position: 0, request_hash: 'ab' } ] ];
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('[data-screen=job]');
	await page.click('text=Cancel');
	await page.waitForSelector('[data-kind=cancelled]');
});

test('a router with an agent but no way to the internet: the browser brings the image, the agent judges it', async () => {
	const offline = { kind: 'offline', message: 'The server cannot be reached.', detail: '' };
	const agent = {
		info: answers.info, verify: { valid: true, checks: [ { name: 'metadata', result: 'pass', detail: 'It is for this device.' } ] },
		status: answers.status({ check: answers.check({ error: offline }) }), sysupgrade: { started: true }
	};

	await plugin(agent);

	const page = await host.open();

	await page.click('text=Use the connection of this browser instead');
	await picture(page, 'web-offline');
	await page.click('text=Search for upgrades');
	server.steps = [ [ 200, server.finished() ] ];
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('[data-screen=image]');
	assert.deepEqual((await host.calls('verify')).map(call => call.path), [ '/tmp/firmware.bin' ]);
	assert.match(await page.locator('[data-part=checks]').innerText(), /It is for this device\./);
});

test('neither agent nor plugin', async () => {
	await host.script({}, SYSTEM);

	const page = await found();

	assert.equal(await page.locator('[data-kind=absent]').count(), 1);
	await picture(page, 'web-nothing');
});
