/* The sandbox router with its page (page-host's example `router`). */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { browser, login, repository } from './host.js';

export class Router {
	/* delay: milliseconds each step of a build takes at least. */
	static async start(delay) {
		const router = new Router();
		const program = join(process.env.CARGO_TARGET_DIR || join(repository, 'target'), 'debug/examples/router');

		if (!existsSync(program))
			throw new Error(`${program} is missing: cargo build -p page-host --example router`);

		router.child = spawn(program, [ String(delay) ], { stdio: [ 'pipe', 'pipe', 'inherit' ] });
		router.lines = createInterface({ input: router.child.stdout })[Symbol.asyncIterator]();
		router.url = new URL(await router.line());
		router.browser = await browser();

		return router;
	}

	async line() {
		const { value, done } = await this.lines.next();

		if (done)
			throw new Error('the router ended');

		return value;
	}

	/* `server stop`, `server start`, `daemon stop`, `daemon start`, `sessions end` */
	async tell(command) {
		this.child.stdin.write(`${command}\n`);

		const answer = await this.line();

		if (answer != 'ok')
			throw new Error(`${command}: ${answer}`);
	}

	open({ user = 'root', tab = 'system/attended-sysupgrade/overview' } = {}) {
		return login(this.browser, new URL(`/cgi-bin/luci/admin/${tab}`, this.url), user, { width: 1100, height: 900 });
	}

	async stop() {
		await this.browser.close();
		this.child.stdin.end();
	}
}
