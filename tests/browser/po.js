/*
 * The translation template, made from the views: `node po.js` writes it and brings the translations in line
 * (texts that are gone go, new ones come empty); `--check` only says whether that would change something.
 */

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = join(dirname(fileURLToPath(import.meta.url)), '../..');
const application = join(repository, 'openwrt-package/luci-app-attended-sysupgrade');
const NAME = 'attended-sysupgrade';

function filesBelow(folder) {
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter(entry => entry.isFile()).map(entry => join(entry.parentPath || entry.path, entry.name)).sort();
}

const literal = '\'((?:[^\'\\\\]|\\\\.)*)\'';
const unquote = text => text.replace(/\\(.)/g, '$1');

/* source → { plural, places }, in the order of the files. */
export function extract() {
	const texts = new Map();
	const add = (source, plural, place) => {
		if (!texts.has(source))
			texts.set(source, { plural, places: [] });

		if (!texts.get(source).places.includes(place))
			texts.get(source).places.push(place);
	};

	for (const file of filesBelow(join(repository, 'luci-static')).filter(name => name.endsWith('.js'))) {
		const place = file.slice(repository.length + 1);
		const source = readFileSync(file, 'utf8');

		for (const m of source.matchAll(new RegExp(`(?<![\\w$.])_\\(\\s*${literal}\\s*\\)`, 'g')))
			add(unquote(m[1]), null, place);

		for (const m of source.matchAll(new RegExp(`(?<![\\w$.])N_\\([^,]+,\\s*${literal},\\s*${literal}\\s*\\)`, 'g')))
			add(unquote(m[1]), unquote(m[2]), place);

		const calls = source.match(/(?<![\w$.])N?_\(/g) || [];
		const read = [ ...source.matchAll(new RegExp(`(?<![\\w$.])(?:_\\(\\s*${literal}\\s*\\)|N_\\([^,]+,\\s*${literal},\\s*${literal}\\s*\\))`, 'g')) ];

		if (calls.length != read.length)
			throw new Error(`${place}: ${calls.length - read.length} texts are no plain strings`);
	}

	for (const file of filesBelow(join(application, 'files/usr/share')).filter(name => name.endsWith('.json'))) {
		const place = file.slice(repository.length + 1);

		for (const m of readFileSync(file, 'utf8').matchAll(/"(?:title|description)": ("(?:[^"\\]|\\.)*")/g))
			add(JSON.parse(m[1]), null, place);
	}

	return texts;
}

/* source → list of forms, of a po file. */
export function translations(text) {
	const map = new Map();

	for (const block of text.split('\n\n')) {
		const field = name => {
			const m = new RegExp(`^${name.replace(/[[\]]/g, '\\$&')} ((?:"(?:[^"\\\\]|\\\\.)*"\\n?)+)`, 'm').exec(block);

			return m ? m[1].trim().split('\n').map(part => JSON.parse(part)).join('') : null;
		};
		const source = field('msgid');

		if (source)
			map.set(source, [ field('msgstr') ?? field('msgstr[0]'), field('msgstr[1]') ].filter(form => form != null));
	}

	return map;
}

function write(header, texts, known) {
	const entries = [ ...texts ].map(([ source, it ]) => {
		const forms = known.get(source) || [];
		const head = it.places.map(place => `#: ${place}`).concat(`msgid ${JSON.stringify(source)}`);

		return head.concat(it.plural
			? [ `msgid_plural ${JSON.stringify(it.plural)}`, `msgstr[0] ${JSON.stringify(forms[0] || '')}`, `msgstr[1] ${JSON.stringify(forms[1] || '')}` ]
			: `msgstr ${JSON.stringify(forms[0] || '')}`).join('\n');
	});

	return [ header ].concat(entries).join('\n\n') + '\n';
}

/* file → what it should hold. */
export function wanted() {
	const texts = extract();
	const files = new Map([ [
		join(application, `po/templates/${NAME}.pot`),
		write('msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"', texts, new Map())
	] ]);

	for (const language of readdirSync(join(application, 'po')).filter(name => name != 'templates')) {
		const file = join(application, `po/${language}/${NAME}.po`);
		const text = readFileSync(file, 'utf8');

		files.set(file, write(text.split('\n\n')[0].trimEnd(), texts, translations(text)));
	}

	return files;
}

if (process.argv[1] == fileURLToPath(import.meta.url)) {
	mkdirSync(join(application, 'po/templates'), { recursive: true });

	for (const [ file, text ] of wanted()) {
		if (existsSync(file) && readFileSync(file, 'utf8') == text)
			continue;

		if (process.argv.includes('--check')) {
			console.error(`${file} is not current: node tests/browser/po.js`);
			process.exitCode = 1;
		} else {
			writeFileSync(file, text);
		}
	}
}
