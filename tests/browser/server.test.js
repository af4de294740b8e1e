/* The upgrade server's own pages, in front of its demonstration. */

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Demo } from './lib/demo.js';
import { picture } from './lib/host.js';

const DEVICE = '/device?version=24.10.2&target=ath79%2Fgeneric&profile=tplink_archer-c7-v2';

let demo;

before(async () => { demo = await Demo.start(); });
afterEach(() => Promise.all(demo.browser.contexts().map(context => context.close())));
after(() => demo && demo.stop());

const text = (page, selector = 'main') => page.locator(selector).first().innerText();

/* Files of an image's page: name → content. */
async function sums(page) {
	const rows = await page.locator('[data-part=files] tbody tr').all();

	return Promise.all(rows.map(async row => ({
		address: await row.locator('a').getAttribute('href'),
		sum: await row.locator('code').innerText()
	})));
}

const wide = page => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test('from a name to the image, with the keyboard alone', async () => {
	const page = await demo.open();
	const said = [];

	await picture(page, 'server-start');
	await page.exposeFunction('hear', words => said.push(words));
	assert.equal(await page.evaluate(() => document.activeElement.id), 'q', 'the search has the focus');
	await page.keyboard.type('archer c7 v2');
	await page.waitForSelector('.devices a');
	assert.equal(await text(page, '[data-part=count]'), 'One device found.');
	assert.match(page.url(), /[?]q=archer\+c7\+v2&version=25\.12\.0$/, 'the address can be kept');
	await picture(page, 'server-search');

	await page.keyboard.press('Tab');
	await page.keyboard.type('24.10.2');
	await page.waitForFunction(() => document.querySelector('.devices a').href.includes('version=24.10.2'));
	await page.keyboard.press('Tab');
	await page.keyboard.press('Tab');
	assert.equal(await page.evaluate(() => document.activeElement.innerText), 'TP-Link Archer C7 v2');
	await page.keyboard.press('Enter');

	await page.waitForSelector('#more');
	assert.match(await text(page), /24\.10\.2 for ath79\/generic \(r28739-d9340319c6, tplink_archer-c7-v2\)/);
	assert.ok(await page.locator('[name=package]').count() > 10);
	await page.focus('#more');
	await page.keyboard.type('luci');
	await page.keyboard.press('Tab');
	await page.keyboard.type('tmu');
	await page.keyboard.press('Enter');
	await page.waitForSelector('[role=status]');
	assert.equal(await text(page, '[role=status]'), 'One package found.');
	await picture(page, 'server-packages');
	await page.getByLabel('tmux').focus();
	await page.keyboard.press('Space');
	await page.focus('summary');
	await page.keyboard.press('Enter');
	assert.ok(await page.getByLabel('kmod-usb-ledtrig-usbport', { exact: true }).isVisible(), 'the list opens');
	await page.getByLabel('kmod-usb-ledtrig-usbport', { exact: true }).focus();
	await page.keyboard.press('Space');
	await page.focus('#defaults');
	await page.keyboard.type('uci set a=b\nuci commit');
	await picture(page, 'server-device');
	await page.focus('button.main');
	await page.keyboard.press('Enter');

	await page.waitForSelector('[data-part=state]');
	await page.evaluate(() => {
		const state = document.querySelector('[role=status]');

		new MutationObserver(() => window.hear(state.innerText)).observe(state, { childList: true, subtree: true });
	});
	await page.waitForSelector('[aria-current=step]');
	await picture(page, 'server-building');
	assert.match(await text(page, 'h1'), /^TP-Link Archer C7 v2 24\.10\.2$/);
	await page.waitForSelector('[data-part=files] table');
	await picture(page, 'server-done');
	assert.equal(said.at(-1), 'The image is done.');
	assert.equal(new Set(said).size, said.length, 'nothing is said twice');
	assert.match(await page.title(), /Archer C7 v2 24\.10\.2: done/);

	const shown = await text(page);

	for (const part of [ 'luci tmux -kmod-usb-ledtrig-usbport', 'uci set a=b\nuci commit', 'r28739-d9340319c6', 'sha256sums', '.manifest', 'profiles.json', 'Log' ])
		assert.ok(shown.includes(part), part);

	for (const { address, sum } of await sums(page)) {
		const file = Buffer.from(await (await fetch(new URL(address, demo.url))).arrayBuffer());

		assert.equal(createHash('sha256').update(file).digest('hex'), sum, address);
	}

	for (const link of await page.locator('.files a').all())
		assert.equal((await fetch(new URL(await link.getAttribute('href'), demo.url))).status, 200);

	const json = await (await fetch(new URL(`/api/v1${new URL(page.url()).pathname}`, demo.url))).json();

	assert.equal(json.request.defaults, 'uci set a=b\nuci commit', 'lines end as a shell wants them');
	assert.ok('luci' in json.manifest && !('kmod-usb-ledtrig-usbport' in json.manifest));
	assert.deepEqual(page.failures, []);
});

test('without JavaScript', async () => {
	const page = await demo.open('/', { javaScriptEnabled: false });

	await page.fill('#q', 'ARCHER-C7');
	await page.selectOption('#version', '24.10.2');
	await page.click('text=Search');
	assert.equal(await text(page, '[data-part=count]'), '2 devices found.');
	await page.click('text=Archer C7 v5');
	await page.fill('#more', 'tmux');
	await page.click('text=Get the image');
	assert.match(page.url(), /\/build\/[0-9a-f]{64}$/);
	await picture(page, 'server-without-javascript');
	/* The page loads itself again. */
	await page.waitForSelector('[data-part=files] table');
	assert.match(await text(page), /TP-Link Archer C7 v5 24\.10\.2/);
	await page.click('text=It works');
	assert.match(page.url(), /\/statistics$/);
	assert.match(await text(page), /24\.10\.2 ath79\/generic tplink_archer-c7-v5\s+1\s+1\s+0/);
	await page.click('text=Find a device');
	await page.fill('#hash', 'nonsense');
	assert.ok(!await page.evaluate(() => document.querySelector('#hash').validity.valid));
});

test('who waits sees how many are before', async () => {
	const hashes = [];

	for (const name of [ 'luci-app-firewall', 'htop', 'nano', 'wireguard-tools', 'tcpdump' ])
		hashes.push(await demo.order({ packages: [ name ] }));

	const page = await demo.open(`/build/${hashes.at(-1)}`);

	assert.match(await text(page, '[role=status]'), /It waits; (\d|one)/);
	await picture(page, 'server-waiting');
	await page.waitForFunction(() => /is being built|not be built|is done/.test(document.querySelector('[role=status]').innerText));
	assert.deepEqual(page.failures, []);

	for (const hash of hashes)
		await demo.ended(hash);
});

test('a build that fails says why, with its log', async () => {
	const page = await demo.open(DEVICE);

	await page.fill('#more', 'no-such-package');
	await page.click('text=Get the image');
	await page.waitForSelector('[data-part=state] .bad');
	assert.match(await text(page, '[data-part=state]'), /no-such-package/);
	assert.match(await text(page, '[data-part=log]'), /warnings and errors/);
	await picture(page, 'server-failed');
	await page.click('text=Change something and build another one');
	assert.equal(await page.inputValue('#more'), 'no-such-package');
	await page.goto(String(new URL('/statistics', demo.url)));
	assert.match(await text(page, '.failures'), /24\.10\.2:ath79\/generic:tplink_archer-c7-v2/);
	await picture(page, 'server-statistics');
	assert.deepEqual(page.failures, []);
});

test('what cannot be asked for is said beside what was written', async () => {
	const page = await demo.open(DEVICE);

	await page.fill('#more', 'luci <b>$(reboot)</b>');
	await page.evaluate(() => { document.querySelector('#rootfs').type = 'text'; });
	await page.fill('#rootfs', '<9999>');
	await page.getByText('packages come with it').click();
	await page.getByLabel('dnsmasq', { exact: true }).uncheck();
	await page.fill('#defaults', '</textarea><script>alert(1)</script>');
	await page.click('text=Get the image');
	assert.equal(await text(page, '[role=alert]'),
		'The root file system may have 1 to 1024 MB. “<b>$(reboot)</b>” is no name of a package.');
	assert.equal(await page.inputValue('#more'), 'luci <b>$(reboot)</b>');
	assert.equal(await page.inputValue('#defaults'), '</textarea><script>alert(1)</script>');
	assert.ok(!await page.getByLabel('dnsmasq', { exact: true }).isChecked());
	await picture(page, 'server-refused');

	await page.fill('#more', '');
	await page.fill('#rootfs', '');
	await page.click('text=Get the image');
	await page.waitForSelector('[data-part=files] table');
	assert.match(await text(page, '.about'), /<\/textarea><script>alert\(1\)<\/script>/);
	assert.deepEqual(page.failures, [], 'nothing of it ran');
});

test('what is not there', async () => {
	const pages = {
		'/build/0': /There is no such build/,
		'/device?version=24.10.2&target=ath79/generic&profile=<b>x</b>': /no device ath79\/generic <b>x<\/b>/,
		'/device?version=1.2.3&target=x&profile=y': /1\.2\.3 has no device/,
		'/?q=<script>alert(1)</script>': /no device with these words/
	};

	for (const path in pages) {
		const page = await demo.open(path);

		assert.match(await text(page), pages[path]);
		assert.deepEqual(page.failures, []);
	}
});

test('an end while somebody looks', async () => {
	const hash = await demo.order({ packages: [ 'tmux', 'htop' ] });
	const page = await demo.open(`/build/${hash}`);

	await page.route('**/build/*', route => route.abort());
	await page.waitForFunction(() => /does not answer/.test(document.querySelector('[role=status]').innerText));
	await page.unroute('**/build/*');
	await page.waitForSelector('[data-part=files] table');
	assert.equal(await text(page, '[role=status]'), 'The image is done.');
});

test('every page: narrow, dark, labelled, no inline script', async () => {
	const hash = await demo.order({ packages: [ 'luci' ] });
	const failed = await demo.order({ packages: [ 'an-unknown-package-with-a-rather-long-name-that-does-not-fit-into-a-narrow-window' ] });

	await demo.ended(hash);
	await demo.ended(failed);

	const pages = {
		start: '/?q=a', device: DEVICE, done: `/build/${hash}`, failed: `/build/${failed}`, statistics: '/statistics', interface: '/docs'
	};

	for (const name in pages) {
		const page = await demo.open(pages[name], { width: 320, height: 600, colorScheme: 'dark' });

		await page.evaluate(() => document.querySelectorAll('details').forEach(details => { details.open = true; }));
		assert.equal(await wide(page), 0, `${name} fits into 320 pixels`);

		const faults = await page.evaluate(() => {
			const fields = Array.from(document.querySelectorAll('input:not([type=hidden]), select, textarea'));

			return {
				unlabelled: fields.filter(field => !field.labels.length).map(field => field.name),
				inline: Array.from(document.querySelectorAll('script:not([src]), style, [style], [onclick]')).map(e => e.outerHTML),
				headings: document.querySelectorAll('h1').length,
				background: getComputedStyle(document.documentElement).colorScheme
			};
		});

		await picture(page, `server-narrow-${name}`);
		assert.deepEqual(faults, { unlabelled: [], inline: [], headings: 1, background: 'light dark' }, name);
		assert.deepEqual(page.failures, [], name);
	}
});
