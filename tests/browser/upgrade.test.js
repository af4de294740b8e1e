/* Whole upgrades: the real daemon on a real bus, an upgrade server, an ImageBuilder; a person clicks. */

import { afterEach, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { picture } from './lib/host.js';
import { Router } from './lib/router.js';

const PHASES = [ 'checking', 'requesting', 'queued', 'building', 'downloading', 'verifying' ];

let router;

/* Long enough for a page to be closed and opened again while it builds. */
beforeEach(async () => { router = await Router.start(3000); });
afterEach(() => router.stop());

async function searched(page) {
	await page.click('text=Search for upgrades');
	await page.waitForSelector('[data-part=verdict]');
}

const phase = page => page.locator('li[aria-current=step]').getAttribute('data-step');

test('from the first click to confirmed, with the tab closed in every phase and a second browser watching', async () => {
	let page = await router.open();
	const watcher = await router.open({ user: 'guest' });

	await searched(page);
	await picture(page, 'real-plan');
	assert.match(await page.locator('[data-part=verdict]').innerText(), /Version 24\.10\.2 is available/);
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('[data-screen=job]');

	const seen = new Set();
	const watched = new Set();

	for (;;) {
		await page.waitForSelector('[data-screen=job], [data-screen=image]');

		if (await page.locator('[data-screen=image]').count())
			break;

		const now = await phase(page).catch(() => null);

		if (now && !seen.has(now)) {
			seen.add(now);
			await picture(page, `real-${now}`);
			await page.context().close();
			page = await router.open();
		}

		if (await watcher.locator('[data-screen=job]').count())
			watched.add(await phase(watcher).catch(() => null));
	}

	assert.ok(seen.has('building'), `seen: ${[ ...seen ]}`);
	assert.ok([ ...seen ].every(name => PHASES.includes(name)));
	assert.ok(watched.size, 'the second browser saw it as well');
	await watcher.waitForSelector('[data-screen=image]');
	assert.ok(await watcher.locator('button', { hasText: 'Install…' }).isDisabled());
	assert.equal(await page.locator('[data-part=checks] [data-result=fail]').count(), 0);
	await picture(page, 'real-image');

	const force = page.getByLabel('I have read the warnings');

	if (await force.count())
		await force.check();

	await page.click('text=Install…');
	await page.click('text=Install now');
	await page.waitForSelector('[data-screen=flashing]');
	await picture(page, 'real-flashing');
	await page.waitForSelector('[data-result=confirmed]', { timeout: 60000 });
	assert.match(await page.locator('#view').innerText(), /24\.10\.2/);
	await picture(page, 'real-confirmed');
	await watcher.waitForSelector('[data-result=confirmed]');
	assert.deepEqual(page.failures.concat(watcher.failures), []);

	const history = await router.open({ tab: 'system/attended-sysupgrade/history' });

	assert.equal(await history.locator('[data-result=confirmed]').count(), 1);
	await searched(page);
	assert.match(await page.locator('[data-part=verdict]').innerText(), /up to date/);
});

test('cancel in the middle leaves nothing to install', async () => {
	const page = await router.open();

	await searched(page);
	await page.selectOption('select[name=version]', '25.12.0');
	await page.waitForSelector('text=Version 25.12.0 is available.');
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('[data-screen=job]');
	await page.click('text=Cancel');
	await page.waitForSelector('[data-kind=cancelled]');
	assert.equal(await page.locator('[data-screen=image]').count(), 0);
	await picture(page, 'real-cancelled');
});

test('a server that is away, and back', async () => {
	const page = await router.open();

	await router.tell('server stop');
	await page.click('text=Search for upgrades');
	await page.waitForSelector('[data-kind=offline]');
	await picture(page, 'real-offline');
	assert.equal(await page.locator('text=Use the connection of this browser instead').count(), 1);
	await router.tell('server start');
	await searched(page);
	assert.equal(await page.locator('[data-kind=offline]').count(), 0);
});

test('a daemon that is away, and back', async () => {
	const page = await router.open();

	await router.tell('daemon stop');
	await page.waitForSelector('[data-part=messages] [data-kind]');
	await router.tell('daemon start');
	await page.waitForSelector('[data-part=messages] [data-kind]', { state: 'detached' });
});

test('after a reboot the login comes first', async () => {
	const page = await router.open();

	await router.tell('sessions end');
	await page.waitForSelector('[data-kind=denied]');
	await page.reload();
	await page.waitForSelector('[name=luci_username]');
});
