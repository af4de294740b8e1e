/* Who may do what, hostile answers, small screens, and the other tabs. */

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as answers from './lib/answers.js';
import { Host, overflow, picture } from './lib/host.js';

let host;

before(async () => { host = await Host.start(); });
afterEach(() => host.closePages());
after(() => host && host.stop());

/* Every screen there is. */
const screens = {
	choose: { check: answers.check({ plan: answers.plan() }), last_upgrade: answers.differs },
	blocked: { check: answers.check({ plan: answers.blocked }) },
	failed: { job: answers.job({ phase: 'failed', error: { kind: 'build', message: 'It failed.', detail: 'x'.repeat(4000) } }) },
	job: { job: answers.job({ phase: 'downloading', percent: 42, bytes: 3082813, bytes_total: 7340032 }) },
	image: { image: answers.warned }
};

async function show(status, options) {
	await host.script({ info: answers.info, status: answers.status(status), history: { upgrades: [ answers.differs, answers.upgrade() ] } });

	return host.open(options);
}

test('a read-only account sees everything and can change nothing', async () => {
	for (const name in screens) {
		const page = await show(screens[name], { user: 'guest' });

		await page.waitForSelector('text=This account may look, but not change anything.');

		for (const label of [ 'Prepare the upgrade', 'Install…', 'Discard the image' ])
			for (const button of await page.locator('button', { hasText: label }).all())
				assert.ok(await button.isDisabled(), `${name}: ${label}`);

		for (const label of [ 'Cancel', 'Download a backup', 'Use the connection' ])
			assert.equal(await page.locator('button', { hasText: label }).count(), 0, `${name}: ${label}`);

		for (const box of await page.locator('input[type=checkbox]').all())
			assert.ok(await box.isDisabled(), name);

		await picture(page, `readonly-${name}`);
	}
});

test('and the router refuses what the page does not offer', async () => {
	const page = await show({}, { user: 'guest' });
	const call = (method, args, object = 'attendedsysupgrade') => page.evaluate(async ([ object, method, args ]) => {
		const answer = await fetch('/ubus', {
			method: 'POST',
			body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [ window.L.env.sessionid, object, method, args ] })
		});

		return answer.json();
	}, [ object, method, args ]);

	for (const method of [ 'start', 'sysupgrade', 'cancel', 'clean', 'verify' ])
		assert.equal((await call(method, {})).error.code, -32002, method);

	for (const method of [ 'status', 'info', 'history' ])
		assert.equal((await call(method, {})).result[0], 0, method);

	for (const method of [ 'set', 'add', 'delete', 'apply' ])
		assert.equal((await call(method, { config: 'attendedsysupgrade' }, 'uci')).error.code, -32002, method);

	assert.equal((await call('remove', { path: '/tmp/firmware.bin' }, 'file')).error.code, -32002);

	const upload = await page.evaluate(async () => {
		const form = new FormData();

		form.append('sessionid', window.L.env.sessionid);
		form.append('filename', '/tmp/firmware.bin');
		form.append('filedata', new Blob([ 'x' ]));

		return (await fetch('/cgi-bin/cgi-upload', { method: 'POST', body: form })).json();
	});

	assert.equal(upload.failure[0], 1);
});

test('a hostile server: everything it says is text', async () => {
	const evil = '<img src=x onerror="window.hacked=1">\u202e\u0000\u001b[31m%s%d';
	const poison = value => {
		if (typeof(value) == 'string')
			return evil;

		if (Array.isArray(value))
			return value.map(poison);

		if (value && typeof(value) == 'object')
			return Object.fromEntries(Object.entries(value).map(([ key, it ]) =>
				[ key, [ 'kind', 'phase', 'result', 'verdict', 'goal' ].includes(key) ? it : poison(it) ]));

		return value;
	};
	const words = poison(screens.choose);

	screens.unknown = {
		check: answers.check({ plan: answers.plan({ verdict: evil }) }), last_upgrade: answers.upgrade({ result: evil }),
		job: answers.job({ phase: 'failed', error: { kind: evil, message: evil, detail: evil } })
	};
	screens.phase = { job: answers.job({ phase: evil }) };

	for (const name in screens) {
		const status = name == 'choose' ? words : poison(screens[name]);

		await host.script({
			info: poison(answers.info), status: answers.status(status), versions: poison(answers.versions), check: { running: true },
			history: { upgrades: [ poison(answers.differs) ] }, cancel: { error: { kind: evil, message: evil, detail: evil } }
		});

		const page = await host.open();

		if (await page.locator('text=Search for upgrades').count()) {
			await page.click('text=Search for upgrades');
			await page.waitForSelector('select[name=version]');
		}

		if (name == 'job') {
			await page.click('text=Cancel');
			await page.waitForSelector('[data-part=messages] [data-kind]');
		}

		if (name == 'image') {
			await page.getByLabel('I have read the warnings').check();
			await page.click('text=Install…');
			await page.waitForSelector('.modal-overlay-active');
		}

		for (const fold of await page.locator('summary').all())
			await fold.click();

		assert.equal(await page.locator('#view img, #modal_overlay img').count(), 0, name);
		assert.equal(await page.evaluate(() => window.hacked), undefined, name);

		const shown = await page.locator('body').innerText();

		assert.ok(shown.includes('<img src=x'), name);
		assert.doesNotMatch(shown, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/, name);
		assert.deepEqual(page.failures, [], name);
		await picture(page, `hostile-${name}`);
		await page.context().close();
	}

	for (const tab of [ 'system/attended-sysupgrade/history', 'status/overview' ]) {
		await host.script({
			status: answers.status({ notice: { kind: 'upgraded', text: evil, since: 1 } }), history: { upgrades: [ poison(answers.differs) ] }
		});

		const page = await host.open({ tab });

		assert.ok((await page.locator('#view').innerText()).includes('<img src=x'), tab);
		assert.equal(await page.locator('#view img').count(), 0, tab);
	}
});

test('answers that are no answers do not end the page', async () => {
	for (const data of [ null, 'text', [], 7 ]) {
		await host.script({ info: data, status: data, history: data });

		const page = await host.open();

		assert.ok(await page.locator('[data-kind]').count(), JSON.stringify(data));
		assert.deepEqual(page.failures, []);
	}
});

for (const name of [ 'choose', 'blocked', 'failed', 'job', 'image' ])
	test(`320 pixels, dark, German: ${name}`, async () => {
		const page = await show(screens[name], { width: 320, height: 640, query: '?lang=de&dark=1' });

		assert.equal(await overflow(page), 0, 'nothing sticks out');
		await picture(page, `narrow-${name}`);
	});

test('with the keyboard alone', async () => {
	const page = await show({ image: answers.warned });
	const focused = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.name);
	const walk = async wanted => {
		for (let i = 0; i < 40; i++) {
			if ((await focused()) == wanted)
				return;

			await page.keyboard.press('Tab');
		}

		assert.fail(`${wanted} is out of reach`);
	};

	await host.script({ info: answers.info, sysupgrade: { started: true }, status: answers.status({ job: answers.job({ phase: 'flashing' }) }) });
	await walk('force');
	await page.keyboard.press('Space');
	await walk('Install…');
	await page.keyboard.press('Enter');
	assert.equal(await focused(), 'Install now', 'the dialog has the focus');
	await page.keyboard.press('Enter');
	await page.waitForSelector('[data-screen=flashing]');
});

test('every field has a label, every change of phase is said once', async () => {
	const page = await show(screens.job);

	await page.evaluate(() => {
		window.said = [];
		new MutationObserver(() => window.said.push(document.querySelector('[aria-live]').textContent))
			.observe(document.querySelector('[aria-live]'), { childList: true, characterData: true, subtree: true });
	});

	for (const changes of [ { percent: 43 }, { percent: 44 }, { phase: 'verifying' } ]) {
		await host.script({ info: answers.info, status: answers.status({ job: { ...screens.job.job, ...changes } }) });
		await page.waitForSelector(changes.percent ? `[aria-valuenow="${changes.percent}"]` : 'li[data-step=verifying][aria-current]');
	}

	assert.deepEqual(await page.evaluate(() => window.said), [ 'The router makes sure of the image.' ]);

	for (const name of [ 'blocked', 'image' ]) {
		const other = await show(screens[name]);
		const bare = await other.evaluate(() => Array.from(document.querySelectorAll('#view input:not([type=hidden]), #view select'))
			.filter(field => !(field.labels && field.labels.length) && !field.getAttribute('aria-label')).length);

		assert.equal(bare, 0, name);
	}
});

test('history', async () => {
	const page = await show({}, { tab: 'system/attended-sysupgrade/history' });

	assert.equal(await page.locator('[data-result]').count(), 2);
	assert.match(await page.locator('#view').innerText(), /wpad-mesh-mbedtls/);
	await picture(page, 'history');
	await host.script({});

	const bare = await host.open({ tab: 'system/attended-sysupgrade/history' });

	assert.match(await bare.locator('#view').innerText(), /Only the upgrade agent keeps a history/);
});

for (const kind of [ 'upgrade-available', 'upgraded', 'upgrade-failed' ])
	test(`status page: ${kind}`, async () => {
		const page = await show({ notice: { kind, text: `About ${kind}.`, since: 1750711236 } }, { tab: 'status/overview' });

		await page.waitForSelector(`text=About ${kind}.`);
		assert.deepEqual(await Promise.all([ 'check', 'versions', 'info' ].map(async method => (await host.calls(method)).length)), [ 0, 0, 0 ],
			'nothing that could contact a server is called');
		await picture(page, `status-${kind}`);
	});

test('status page: nothing to say, and nobody asked', async () => {
	const quiet = await show({}, { tab: 'status/overview' });

	assert.ok(!(await quiet.locator('#view').innerText()).includes('Attended'));

	const page = await show({}, { tab: 'system/attended-sysupgrade/configuration' });

	await page.getByLabel('Tell me').uncheck();
	await page.click('text=Save & Apply');
	await page.waitForFunction(() => !document.querySelector('.cbi-page-actions .spinning'));
	assert.doesNotMatch(readFileSync(join(host.root, 'etc/config/attendedsysupgrade'), 'utf8'), /login_notice/);

	const off = await show({ notice: { kind: 'upgraded', text: 'About it.', since: 1 } }, { tab: 'status/overview' });

	assert.ok(!(await off.locator('#view').innerText()).includes('About it.'));
});

test('configuration: options are written, nonsense is not, what is not ours stays', async () => {
	const page = await show({}, { tab: 'system/attended-sysupgrade/configuration' });
	const file = () => readFileSync(join(host.root, 'etc/config/attendedsysupgrade'), 'utf8');
	const save = async () => {
		await page.click('text=Save & Apply');
		await page.waitForFunction(() => !document.querySelector('.cbi-page-actions .spinning'));
	};

	await picture(page, 'configuration');
	await page.getByLabel('Look for upgrades every').fill('often');
	await save();
	assert.doesNotMatch(file(), /often/);

	await page.getByLabel('Look for upgrades every').fill('24');
	await page.getByLabel('What a scheduled look may do').selectOption('upgrade');
	await page.getByLabel('Install only between').fill('03:00-05:00');
	await page.getByLabel('Signature').selectOption('require');
	await page.getByRole('textbox', { name: 'Always add these packages' }).first().fill('tmux');
	await page.getByRole('textbox', { name: 'Always add these packages' }).last().fill('htop');
	await save();

	for (const line of [ 'option check_interval \'24\'', 'option action \'upgrade\'', 'option window \'03:00-05:00\'', 'option signature \'require\'',
		'list add \'tmux\'', 'list add \'htop\'', 'config owut \'owut\'', 'option login_check_for_upgrades \'0\'' ])
		assert.ok(file().includes(line), line);

	const guest = await show({}, { tab: 'system/attended-sysupgrade/configuration', user: 'guest' });

	for (const button of await guest.locator('.cbi-page-actions button').all())
		assert.ok(await button.isDisabled());
});
