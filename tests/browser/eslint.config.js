/* The rules under which LuCI's own views stand. */

import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import js from '@eslint/js';
import json from '@eslint/json';

const luci = [ '_', 'N_', 'L', 'E', 'baseclass', 'dom', 'form', 'poll', 'request', 'rpc', 'uci', 'ui', 'view' ];

/*
 * LuCI takes a bare string as a child for HTML, an item of a list for text. So children always come as a list:
 * written as one, or made by map() or concat().
 */
const children = {
	create: context => ({
		CallExpression(node) {
			const name = node.callee.name || (node.callee.property && `${node.callee.object.name}.${node.callee.property.name}`);
			const place = { 'E': 2, 'dom.content': 1, 'dom.append': 1, 'ui.showModal': 1 }[name];
			const given = place && (node.arguments[place] || (name == 'E' && node.arguments[1]));

			if (!given || given.type == 'ArrayExpression' || (given.type == 'ObjectExpression' && !node.arguments[2]))
				return;

			if (given.type == 'CallExpression' && given.callee.property && [ 'map', 'concat' ].includes(given.callee.property.name))
				return;

			context.report({ node: given, message: 'Children must come as a list, so that they are text.' });
		}
	})
};

const relaxed = { 'strict': 0, 'no-prototype-builtins': 0, 'no-empty': 0, 'no-regex-spaces': 0, 'no-control-regex': 0 };

export default defineConfig([
	globalIgnores([ 'node_modules', '**/node_modules' ]),
	{
		files: [ '**/*.json' ],
		ignores: [ '**/package-lock.json' ],
		plugins: { json },
		language: 'json/json',
		extends: [ 'json/recommended' ],
		rules: { 'json/no-duplicate-keys': 'error' }
	},
	{
		files: [ 'luci-static/**/*.js' ],
		plugins: { local: { rules: { children } } },
		rules: { 'local/children': 'error' }
	},
	{
		files: [ 'luci-static/**/*.js', 'tests/page-host/**/*.js' ],
		plugins: { js },
		extends: [ 'js/recommended' ],
		languageOptions: {
			sourceType: 'script',
			ecmaVersion: 2026,
			globals: { ...globals.browser, ...Object.fromEntries(luci.map(name => [ name, 'readonly' ])) },
			parserOptions: { ecmaFeatures: { globalReturn: true } }
		},
		rules: {
			...relaxed,
			/* LuCI leaves these off or at a warning: the names of modules come from 'require' lines, which eslint does not know. */
			'no-undef': 'off',
			'no-unused-vars': 'off'
		}
	},
	{
		files: [ 'server/src/pages/*.js' ],
		plugins: { js },
		extends: [ 'js/recommended' ],
		languageOptions: { sourceType: 'script', ecmaVersion: 2026, globals: globals.browser }
	},
	{
		files: [ 'tests/browser/**/*.js' ],
		plugins: { js },
		extends: [ 'js/recommended' ],
		languageOptions: { sourceType: 'module', ecmaVersion: 2026, globals: { ...globals.node, ...globals.browser } },
		rules: relaxed
	}
]);
