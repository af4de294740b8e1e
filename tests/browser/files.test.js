/* What can be said of the views without running them. */

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ESLint } from 'eslint';
import { repository } from './lib/host.js';
import { extract, translations, wanted } from './po.js';

const folder = join(repository, 'luci-static');
const views = readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.js')).map(name => join(folder, name));
const share = join(repository, 'openwrt-package/luci-app-attended-sysupgrade/files/usr/share');

test('LuCI\'s eslint settings, and children as lists', async () => {
	const eslint = new ESLint({ cwd: repository, overrideConfigFile: join(repository, 'tests/browser/eslint.config.js') });
	const results = await eslint.lintFiles([ 'luci-static', 'tests/browser', 'tests/page-host/static', 'server/src/pages', 'openwrt-package/luci-app-attended-sysupgrade/files' ]);

	assert.ok(results.length > 20, 'it found the files');
	assert.equal((await eslint.loadFormatter('stylish')).format(results), '');
});

test('house rules', () => {
	for (const file of views) {
		const text = readFileSync(file, 'utf8');

		assert.ok(text.startsWith('\'use strict\';\n'), file);
		assert.ok(text.split('\n').length <= 550, `${file} is long`);
		assert.doesNotMatch(text, /innerHTML|insertAdjacentHTML|document\.write|\beval\b/, file);
		assert.doesNotMatch(text, /'on[a-z]+'\s*:/, `${file} has an inline handler`);
		assert.doesNotMatch(text, /^ {2,}\S/m, `${file} is indented with spaces`);
	}
});

test('the template and the translations are current, and German is complete', () => {
	for (const [ file, text ] of wanted())
		assert.ok(existsSync(file) && readFileSync(file, 'utf8') == text, `${file} is not current: node tests/browser/po.js`);

	const german = translations(readFileSync(join(repository, 'openwrt-package/luci-app-attended-sysupgrade/po/de/attended-sysupgrade.po'), 'utf8'));

	for (const [ source, { plural } ] of extract()) {
		const forms = german.get(source);

		assert.ok(forms && forms.length == (plural ? 2 : 1) && forms.every(form => form), `not in German: ${source}`);

		for (const form of forms)
			assert.deepEqual(form.match(/%[a-z]/g), source.match(/%[a-z]/g), `other placeholders: ${source}`);
	}
});

test('every view has a menu entry, every entry its access group', () => {
	const json = name => JSON.parse(readFileSync(join(share, name), 'utf8'));
	const menu = json('luci/menu.d/luci-app-attended-sysupgrade.json');
	const groups = Object.keys(json('rpcd/acl.d/luci-app-attended-sysupgrade.json'));
	const paths = Object.values(menu).map(node => node.action.path).filter(path => path);

	for (const path of paths)
		assert.ok(existsSync(join(folder, `resources/view/${path}.js`)), path);

	assert.equal(paths.length, readdirSync(join(folder, 'resources/view/attended-sysupgrade')).length);

	for (const node of Object.values(menu))
		assert.deepEqual(node.depends.acl, groups);
});

test('what reads and what changes is apart', () => {
	const group = JSON.parse(readFileSync(join(share, 'rpcd/acl.d/luci-app-attended-sysupgrade.json'), 'utf8'))['luci-app-attended-sysupgrade'];

	assert.deepEqual(group.read.ubus.attendedsysupgrade.toSorted(), [ 'check', 'history', 'info', 'packagelist', 'status', 'versions' ]);
	assert.deepEqual(group.write.ubus.attendedsysupgrade.toSorted(), [ 'cancel', 'clean', 'start', 'sysupgrade', 'verify' ]);
	assert.equal(group.read['cgi-io'], undefined);
	assert.deepEqual(group.read.ubus.uci, [ 'get' ]);
	assert.deepEqual(group.read.ubus.file, [ 'list' ]);
});
