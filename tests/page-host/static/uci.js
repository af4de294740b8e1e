'use strict';
'require baseclass';
'require rpc';

const callGet = rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true });
const callAdd = rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ], expect: { section: '' }, reject: true });
const callSet = rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ], reject: true });
const callDelete = rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ], reject: true });
const callApply = rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ], reject: true });
const callConfirm = rpc.declare({ object: 'uci', method: 'confirm', reject: true });

/* config → { section → { '.type', '.name', '.index', option: value } }, as loaded and as changed. */
let values = {}, created = {}, changed = {}, deleted = {};
let counter = 0;

function part(map, config) {
	return (map[config] = map[config] || {});
}

return baseclass.extend({
	load: function(config) {
		if (values[config])
			return Promise.resolve([ config ]);

		return callGet(config).then(sections => {
			values[config] = sections;

			return [ config ];
		});
	},

	unload: function(config) {
		for (const map of [ values, created, changed, deleted ])
			delete map[config];
	},

	sections: function(config, type) {
		const all = Object.values(values[config] || {}).filter(s => part(deleted, config)[s['.name']] !== true)
			.concat(Object.values(part(created, config)));

		return all.filter(s => !type || s['.type'] == type).map(s => Object.assign({}, s, part(changed, config)[s['.name']]))
			.sort((a, b) => (a['.index'] ?? 999) - (b['.index'] ?? 999));
	},

	get: function(config, section, option) {
		const name = section;
		const own = part(created, config)[name] || (part(deleted, config)[name] === true ? null : (values[config] || {})[name]);

		if (!own)
			return null;

		if (option == null)
			return Object.assign({}, own, part(changed, config)[name]);

		if (L.isObject(part(deleted, config)[name]) && part(deleted, config)[name][option])
			return null;

		return (part(changed, config)[name] || {})[option] ?? own[option] ?? null;
	},

	set: function(config, section, option, value) {
		if (value == null || value === '' || (Array.isArray(value) && !value.length))
			return this.unset(config, section, option);

		if (part(created, config)[section]) {
			part(created, config)[section][option] = value;
			return;
		}

		part(part(changed, config), section)[option] = value;

		if (L.isObject(part(deleted, config)[section]))
			delete part(deleted, config)[section][option];
	},

	unset: function(config, section, option) {
		if (part(created, config)[section]) {
			delete part(created, config)[section][option];
			return;
		}

		if ((part(changed, config)[section] || {})[option] != null)
			delete part(changed, config)[section][option];

		if (((values[config] || {})[section] || {})[option] != null)
			part(part(deleted, config), section)[option] = true;
	},

	add: function(config, type, name) {
		const id = name || 'new%d'.format(++counter);

		part(created, config)[id] = { '.type': type, '.name': id, '.anonymous': !name, '.create': name };

		return id;
	},

	remove: function(config, section) {
		if (part(created, config)[section])
			delete created[config][section];
		else
			part(deleted, config)[section] = true;
	},

	/* Sends what changed, and reads it back. */
	save: function() {
		const tasks = [];

		for (const config in values) {
			for (const section in part(deleted, config)) {
				const what = deleted[config][section];

				if (what === true)
					tasks.push(() => callDelete(config, section, undefined));
				else if (Object.keys(what).length)
					tasks.push(() => callDelete(config, section, Object.keys(what)));
			}

			for (const section of Object.values(part(created, config))) {
				const options = Object.fromEntries(Object.entries(section).filter(e => e[0][0] != '.'));

				tasks.push(() => callAdd(config, section['.type'], section['.create'], options));
			}

			for (const section in part(changed, config))
				if (Object.keys(changed[config][section]).length)
					tasks.push(() => callSet(config, section, changed[config][section]));
		}

		return tasks.reduce((before, task) => before.then(task), Promise.resolve()).then(() => {
			const configs = Object.keys(values);

			configs.forEach(config => this.unload(config));

			return Promise.all(configs.map(config => this.load(config)));
		});
	},

	apply: function() {
		return callApply(10, true).then(() => callConfirm());
	}
});
