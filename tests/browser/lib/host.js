/* Starts the page host with written answers, and Chromium, for the tests of one file. */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));

export const repository = join(here, '../../..');

/* Screenshots of every state are kept here. */
export const output = join(repository, 'tests/output/browser');

const FLAGS = [
	'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync'
];

export const CONFIG = `config server 'server'
	option url 'http://127.0.0.1:9'

config client 'client'
	option advanced_mode '0'
	option login_check_for_upgrades '0'

config agent 'agent'
	option check_interval '0'
	option login_notice '1'

config owut 'owut'
`;

/* A program that prints the address it serves on its first line. */
export function start(program, args) {
	const child = spawn(program, args, { stdio: [ 'pipe', 'pipe', 'inherit' ] });

	return new Promise((resolve, reject) => {
		child.once('error', reject);
		child.once('exit', code => reject(new Error(`${program} ended with ${code}`)));
		createInterface({ input: child.stdout }).once('line', line => resolve({ child, line }));
	});
}

function program() {
	const folder = process.env.CARGO_TARGET_DIR || join(repository, 'target');
	const path = process.env.PAGE_HOST || join(folder, 'debug/page-host');

	if (!existsSync(path))
		throw new Error(`${path} is missing: cargo build -p page-host`);

	return path;
}

export class Host {
	static async start(config = CONFIG) {
		const host = new Host();

		host.root = mkdtempSync(join(tmpdir(), 'page-host-'));
		mkdirSync(join(host.root, 'etc/config'), { recursive: true });
		mkdirSync(join(host.root, 'tmp'));
		writeFileSync(join(host.root, 'etc/config/attendedsysupgrade'), config);

		const { child, line } = await start(program(), [ '--scripted', '--root', host.root ]);

		host.child = child;
		host.url = new URL(line);
		host.browser = await browser();

		return host;
	}

	/* Writes the answers: { method: data } of the object, or whole objects. */
	async script(methods, others = {}) {
		const answers = { attendedsysupgrade: {}, ...others };

		for (const method in methods)
			answers.attendedsysupgrade[method] = wrapped(methods[method]);

		await this.post('/script', answers);
	}

	async post(path, body) {
		const answer = await fetch(new URL(path, this.url), {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify(body)
		});

		if (!answer.ok)
			throw new Error(`${path}: HTTP ${answer.status}`);
	}

	/* The calls of a method since the last script. */
	async calls(method) {
		const all = await (await fetch(new URL('/script', this.url))).json();

		return all.filter(call => call.method == method).map(call => call.arguments);
	}

	/* The same, as soon as there is one. */
	async called(method) {
		for (;;) {
			const calls = await this.calls(method);

			if (calls.length)
				return calls;

			await new Promise(resolve => setTimeout(resolve, 100));
		}
	}

	/* A page of its own browser session, logged in. */
	async open({ user = 'root', tab = 'system/attended-sysupgrade/overview', query = '', width = 1100, height = 900 } = {}) {
		return login(this.browser, new URL(`/cgi-bin/luci/admin/${tab}${query}`, this.url), user, { width, height });
	}

	/* Between two tests: what is open polls. */
	async closePages() {
		await Promise.all(this.browser.contexts().map(context => context.close()));
	}

	async stop() {
		await this.browser.close();
		this.child.removeAllListeners('exit');
		this.child.stdin.end();
		rmSync(this.root, { recursive: true, force: true });
	}
}

/* An answer as the script wants it: plain data is the common case, `exactly` what is more. */
export const exactly = answer => ({ $answer: answer });

function wrapped(answer) {
	return (answer && answer.$answer) || { data: answer };
}

export function browser() {
	return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true, args: FLAGS });
}

/* A page in a browser context of its own, with a session of its own. */
export async function login(on, address, user, viewport) {
	const answer = await fetch(new URL('/ubus', address), {
		method: 'POST',
		body: JSON.stringify({
			jsonrpc: '2.0', id: 1, method: 'call',
			params: [ '0'.repeat(32), 'session', 'login', { username: user, password: user } ]
		})
	});
	const session = (await answer.json()).result[1].ubus_rpc_session;
	const context = await on.newContext({ viewport });

	await context.addCookies([ { name: 'sysauth_http', value: session, url: address.origin } ]);

	const page = await context.newPage();

	page.setDefaultTimeout(20000);
	page.failures = [];
	page.on('pageerror', error => page.failures.push(String(error)));
	await page.goto(String(address));
	await page.waitForSelector('#view > :not(.spinning)');

	return page;
}

/* Through the form, as a person does it. */
export async function signIn(page, user) {
	await page.fill('[name=luci_username]', user);
	await page.fill('[name=luci_password]', user);
	await page.click('button[type=submit]');
	await page.waitForSelector('#view > :not(.spinning)');
}

/* Keeps a picture, and says where the page is wider than its window. */
export async function picture(page, name) {
	mkdirSync(output, { recursive: true });
	await page.screenshot({ path: join(output, `${name}.png`), fullPage: true });
}

/* The page brings its style sheet along, which may come after its text. */
export async function overflow(page) {
	await page.waitForFunction(() => {
		const links = Array.from(document.querySelectorAll('link[href*="attended-sysupgrade/style.css"]'));

		return links.length && links.every(link => link.sheet);
	});

	return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

