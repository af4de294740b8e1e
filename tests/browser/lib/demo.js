/* The upgrade server's demonstration, and Chromium. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { browser, repository, start } from './host.js';

export class Demo {
	static async start() {
		const demo = new Demo();
		const program = join(process.env.CARGO_TARGET_DIR || join(repository, 'target'), 'debug/asu-server');

		if (!existsSync(program))
			throw new Error(`${program} is missing: cargo build -p asu-server`);

		const { child, line } = await start(program, [ '--demo', '--listen', '127.0.0.1:0' ]);

		demo.child = child;
		demo.url = new URL(line);
		demo.browser = await browser();

		return demo;
	}

	/* A page of its own browser session. */
	async open(path = '/', { width = 1100, height = 900, ...more } = {}) {
		const context = await this.browser.newContext({ viewport: { width, height }, ...more });
		const page = await context.newPage();

		page.setDefaultTimeout(60000);
		page.failures = [];
		page.on('pageerror', error => page.failures.push(String(error)));
		page.on('console', message => {
			/* A page with a status of its own is no fault, but what the policy refuses is. */
			if (message.type() == 'error' && !message.text().startsWith('Failed to load resource'))
				page.failures.push(message.text());
		});
		await page.goto(String(new URL(path, this.url)));

		return page;
	}

	/* Asks for an image as a program does; its hash. */
	async order(changes = {}) {
		const answer = await fetch(new URL('/api/v1/build', this.url), {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({
				version: '24.10.2', target: 'ath79/generic', profile: 'tplink_archer-c7-v2', client: 'test/1', ...changes
			})
		});

		return (await answer.json()).request_hash;
	}

	/* The answer about a build that has ended. */
	async ended(hash) {
		for (;;) {
			const answer = await fetch(new URL(`/api/v1/build/${hash}`, this.url));

			if (answer.status != 202)
				return answer.json();

			await new Promise(resolve => setTimeout(resolve, 200));
		}
	}

	async stop() {
		await this.browser.close();
		this.child.removeAllListeners('exit');
		this.child.kill();
	}
}
