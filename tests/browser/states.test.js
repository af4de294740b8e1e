/* Every state that the agent can report, and what the page shows of it. */

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import * as answers from './lib/answers.js';
import { Host, picture, signIn } from './lib/host.js';

let host;

before(async () => { host = await Host.start(); });
afterEach(() => host.closePages());
after(() => host && host.stop());

async function show(status, options = {}) {
	await host.script({ info: answers.info, status: answers.status(status), versions: answers.versions, check: { running: true } });

	return host.open(options);
}

const text = (page, selector) => page.locator(selector).first().innerText();

test('nothing asked yet: what runs, and a button that searches', async () => {
	const page = await show({});

	assert.match(await text(page, '#view'), /TP-Link Archer C7 v2/);
	assert.equal((await host.calls('versions')).length, 0, 'opening the page contacts no server');
	await picture(page, 'choose-empty');

	await host.script({
		info: answers.info, versions: answers.versions, check: { running: true },
		status: answers.status({ check: answers.check({ plan: answers.plan() }) })
	});
	await page.click('text=Search for upgrades');
	await page.waitForSelector('[data-part=verdict]');
	assert.deepEqual((await host.calls('check')).map(({ wait }) => ({ wait })), [ { wait: false } ]);
	assert.equal(await page.inputValue('select[name=version]'), '24.10.2', 'the newest of the branch is preselected');
	assert.match(await page.locator('select[name=version]').innerText(), /25\.12\.0/);
	await picture(page, 'choose-plan');
	assert.deepEqual(page.failures, []);
});

test('another version is asked for by choosing it', async () => {
	const page = await show({ check: answers.check({ plan: answers.plan() }) });

	await page.click('text=Search for upgrades');
	await page.selectOption('select[name=version]', '25.12.0');
	await page.waitForFunction(() => !document.querySelector('select[name=version]').disabled);

	const order = (await host.calls('check')).at(-1);

	delete order.ubus_rpc_session;
	assert.deepEqual(order, { version: '25.12.0', wait: false });
});

test('the plan: every kind of change is there, and the whole request', async () => {
	const page = await show({ check: answers.check({ plan: answers.plan() }) });
	const shown = await page.locator('#view').innerText();

	for (const part of [ '2 packages get a newer version', 'dnsmasq', '2.90-r4', 'owut', 'auc', 'procd-ujail', 'ppp-mod-pppoe', 'dnsmasq-full instead of dnsmasq',
		'The version scheme of luci changed.', '2 packages will be asked for by name', '6.6.93', '80.0 MiB', '60.0 MiB' ])
		assert.ok(shown.includes(part), part);

	await page.click('text=The whole request');
	assert.match(await text(page, 'details[open] pre'), /"packages_versions"/);
});

test('the one button starts a job that ends with an image', async () => {
	const page = await show({ check: answers.check({ plan: answers.plan() }) });

	await host.script({ info: answers.info, start: { job: 7 }, status: answers.status({ job: answers.job() }) });
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('[data-screen=job]');

	const [ order ] = await host.calls('start');

	delete order.ubus_rpc_session;
	assert.deepEqual(order, { goal: 'download', version: '24.10.2' });
});

test('a busy router shows the job that runs', async () => {
	const page = await show({ check: answers.check({ plan: answers.plan() }) });

	await host.script({
		info: answers.info, start: { job: 3, error: { kind: 'busy', message: 'Job 3 is running.', detail: '' } },
		status: answers.status({ job: answers.job({ id: 3, phase: 'building' }) })
	});
	await page.click('text=Prepare the upgrade');
	await page.waitForSelector('[data-screen=job]');
	assert.equal(await page.locator('[data-kind]').count(), 0);
});

test('missing packages: waiting, or dropping them one by one', async () => {
	const page = await show({ check: answers.check({ plan: answers.blocked }) });
	const button = page.locator('button', { hasText: 'Prepare the upgrade' });

	assert.ok(await button.isDisabled());
	await page.getByLabel('Leave out my-own-package').check();
	assert.ok(await button.isDisabled(), 'one of two is not enough');
	await page.getByLabel('Leave out another-one').check();
	assert.ok(await button.isEnabled());
	await picture(page, 'choose-blocked');
	await button.click();

	const [ order ] = await host.called('start');

	assert.deepEqual(order.ignore, [ 'my-own-package', 'another-one' ]);
	assert.equal(order.remove, undefined);
});

for (const verdict of [ 'current', 'rebuild', 'downgrade' ])
	test(`verdict ${verdict}`, async () => {
		const page = await show({ check: answers.check({ plan: answers.plan({ verdict }) }) });

		await page.waitForSelector('[data-part=verdict]');
		assert.equal(await page.locator('button', { hasText: 'Prepare the upgrade' }).count(), verdict == 'current' ? 0 : 1);
		await picture(page, `verdict-${verdict}`);
	});

for (const phase of [ 'checking', 'requesting', 'queued', 'building', 'downloading', 'verifying', 'something-new' ])
	test(`phase ${phase}`, async () => {
		const news = {
			queued: { queue_position: 12 },
			building: { detail: 'validate_manifest' },
			downloading: { percent: 42, bytes: 3082813, bytes_total: 7340032, detail: 'openwrt-24.10.2.bin' }
		}[phase];
		const page = await show({ job: answers.job({ phase, ...news }) });

		await page.waitForSelector('[data-screen=job]');

		if (phase != 'something-new')
			assert.equal(await page.locator('li[aria-current=step]').getAttribute('data-step'), phase);

		if (phase == 'queued')
			assert.match(await text(page, '[data-part=facts]'), /12/);

		if (phase == 'downloading') {
			assert.equal(await page.getByRole('progressbar').getAttribute('aria-valuenow'), '42');
			assert.match(await text(page, '[data-part=facts]'), /2\.9 MiB of 7\.0 MiB/);
		}

		assert.match(await text(page, '[data-part=facts]'), /0:4\d/, 'elapsed by the clock of the router');
		await picture(page, `job-${phase}`);
		assert.deepEqual(page.failures, []);
	});

test('cancel, and a step that can no longer be cancelled', async () => {
	const page = await show({ job: answers.job({ phase: 'building' }) });

	await host.script({ info: answers.info, cancel: { cancelled: false }, status: answers.status({ job: answers.job({ phase: 'building' }) }) });
	await page.click('text=Cancel');
	await page.waitForSelector('text=This step can no longer be cancelled.');
	await host.script({
		info: answers.info, cancel: { cancelled: true },
		status: answers.status({ job: answers.job({ phase: 'cancelled', error: { kind: 'cancelled', message: 'It was cancelled.', detail: '' } }) })
	});
	await page.click('text=Cancel');
	await page.waitForSelector('[data-screen=choose]');
	await page.waitForSelector('[data-kind=cancelled]');
	await picture(page, 'cancelled');
});

test('the image, a last question, and off it goes', async () => {
	const page = await show({ image: answers.image() });

	await picture(page, 'image');
	assert.equal(await page.locator('[data-part=checks] [data-result=pass]').count(), 5);
	assert.ok(await page.getByLabel('Keep the settings').isChecked());
	await host.script({ info: answers.info, sysupgrade: { started: true }, status: answers.status({ job: answers.job({ phase: 'flashing' }) }) });
	await page.click('text=Install…');
	await page.waitForSelector('.modal-overlay-active');
	assert.equal((await host.calls('sysupgrade')).length, 0, 'nothing before the last question');
	await picture(page, 'image-confirm');
	await page.click('text=Install now');
	await page.waitForSelector('[data-screen=flashing]');
	await picture(page, 'flashing');

	const [ order ] = await host.calls('sysupgrade');

	delete order.ubus_rpc_session;
	assert.deepEqual(order, { keep: true });

	await host.script({ info: answers.info, status: answers.status({ last_upgrade: answers.upgrade(), notice: { kind: 'upgraded', text: 'Upgraded.', since: 1 } }) });
	await page.waitForSelector('[data-result=confirmed]');
	await picture(page, 'confirmed');
	assert.deepEqual(page.failures, []);
});

test('opened while it is flashed; the router comes back without this session', async () => {
	const page = await show({ job: answers.job({ phase: 'flashing' }) });

	await page.waitForSelector('[data-screen=flashing]');
	await host.post('/script', {});
	await page.waitForSelector('text=The router starts again.');
	await picture(page, 'restarting');
	await host.script({ info: answers.info, status: answers.status({ last_upgrade: answers.upgrade() }) });
	await host.post('/script/reboot', null);
	await page.waitForSelector('[name=luci_username]');
	await signIn(page, 'root');
	await page.waitForSelector('[data-result=confirmed]');
});

test('without the settings the router is looked for at its default address', async () => {
	const page = await show({ image: answers.image() });
	const asked = name => page.waitForRequest(request => new URL(request.url()).host == name);
	await page.getByLabel('Keep the settings').uncheck();
	await host.script({ info: answers.info, sysupgrade: { started: true }, status: answers.status({ job: answers.job({ phase: 'flashing' }) }) });
	await page.click('text=Install…');
	await page.click('text=Install now');
	await page.waitForSelector('text=without a password');
	await Promise.all([
		asked('192.168.1.1'), asked('openwrt.lan'), asked(host.url.host),
		host.post('/script', { attendedsysupgrade: { status: { status: 7 } } })
	]);
});

test('an old failure goes when somebody searched again', async () => {
	const job = answers.job({ phase: 'failed', updated: 1000, error: { kind: 'build', message: 'It failed.', detail: '' } });
	const page = await show({ job, check: answers.check({ at: 999, plan: answers.plan() }) });

	assert.equal(await page.locator('[data-kind=build]').count(), 1);
	await host.script({ info: answers.info, status: answers.status({ job, check: answers.check({ at: 1001, plan: answers.plan() }) }) });
	await page.waitForSelector('[data-kind=build]', { state: 'detached' });
});

test('warnings have to be read, failures cannot be overridden, settings may be locked', async () => {
	let page = await show({ image: { ...answers.warned, keep_allowed: false } });
	const install = () => page.locator('button', { hasText: 'Install…' });

	assert.ok(await install().isDisabled());
	assert.ok(await page.getByLabel('Keep the settings').isDisabled());
	assert.match(await text(page, '[data-part=keep-reason]'), /cannot be kept/);
	await page.getByLabel('I have read the warnings').check();
	assert.ok(await install().isEnabled());
	await picture(page, 'image-warning');
	await host.script({ info: answers.info, sysupgrade: { error: { kind: 'sysupgrade', message: 'It is refused.', detail: 'Image check failed.' } }, status: answers.status({ image: answers.warned }) });
	await install().click();
	await page.waitForSelector('text=All settings will be lost');
	await page.click('text=Install now');
	await page.waitForSelector('[data-kind=sysupgrade]');
	assert.deepEqual((await host.calls('sysupgrade')).map(({ keep, force }) => ({ keep, force })), [ { keep: false, force: true } ]);
	await picture(page, 'install-refused');

	page = await show({ image: answers.image({ checks: [ { name: 'signature', result: 'fail', detail: 'The signature is bad.' } ] }) });
	assert.ok(await install().isDisabled());
	assert.equal(await page.getByLabel('I have read the warnings').count(), 0);
	await picture(page, 'image-failed');
});

test('the image can be discarded, and the settings saved before', async () => {
	const page = await show({ image: answers.image() });

	await host.script({ info: answers.info, clean: {}, status: answers.status() });

	const [ download ] = await Promise.all([ page.waitForEvent('download'), page.click('text=Download a backup of the settings') ]);

	assert.ok((await download.createReadStream()) != null);
	await page.click('text=Discard the image');
	await page.waitForSelector('[data-screen=choose]');
	assert.equal((await host.calls('clean')).length, 1);
});

for (const result of [ 'differs', 'not-applied' ])
	test(`result ${result}`, async () => {
		const page = await show({ last_upgrade: result == 'differs' ? answers.differs : answers.upgrade({ result }) });

		await page.waitForSelector(`[data-result=${result}]`);

		if (result == 'differs')
			assert.match(await text(page, '[data-result=differs]'), /wpad-mesh-mbedtls: 2025\.06 was promised, and it is not there\./);

		await picture(page, `result-${result}`);
	});

for (const kind of answers.kinds)
	test(`error ${kind}`, async () => {
		const error = { kind, message: `This is the sentence of ${kind}.`, detail: 'line one\nline two' };
		const page = await show({ check: answers.check({ error }) });
		const box = page.locator(`[data-kind=${kind}]`);

		assert.match(await box.innerText(), new RegExp(`This is the sentence of ${kind}\\.`));
		assert.notEqual(await box.locator('h4').innerText(), 'Something went wrong', 'every kind has a title');
		await box.locator('summary').click();
		assert.equal(await box.locator('pre').innerText(), 'line one\nline two');
		await picture(page, `error-${kind}`);

		const failed = await show({ job: answers.job({ phase: 'failed', error }) });

		assert.match(await failed.locator(`[data-kind=${kind}]`).innerText(), new RegExp(`sentence of ${kind}`));
	});

test('details can be copied over plain http', async () => {
	const error = { kind: 'build', message: 'It failed.', detail: 'make: *** [image] Error 1' };
	const page = await show({ job: answers.job({ phase: 'failed', updated: 2000000000, error }), check: answers.check({ plan: answers.plan() }) });

	await page.evaluate(() => { Object.defineProperty(navigator, 'clipboard', { value: undefined }); });
	await page.locator('[data-kind=build] summary').first().click();
	await page.locator('[data-kind=build] .asu-copy').first().click();
	await page.waitForSelector('text=Copied');
	await page.evaluate(() => { document.body.insertAdjacentHTML('beforeend', '<textarea id="paste"></textarea>'); });
	await page.focus('#paste');
	await page.keyboard.press('Control+V');
	assert.equal(await page.inputValue('#paste'), error.detail);
	assert.equal(await page.locator('[data-kind=build] summary').count(), 2, 'what was asked can be seen and copied, too');
});

test('a router that does not answer for a while is said once', async () => {
	const page = await show({});

	await host.post('/script', { attendedsysupgrade: { status: { status: 7 } } });
	await page.waitForSelector('[data-kind=unreachable]');
	await page.waitForTimeout(2500);
	assert.equal(await page.locator('[data-kind=unreachable]').count(), 1);
	await host.script({ info: answers.info, status: answers.status() });
	await page.waitForSelector('[data-kind=unreachable]', { state: 'detached' });
});
