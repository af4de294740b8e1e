'use strict';
'require baseclass';
'require dom';
'require uci';

/* Forms over uci sections: the kinds of section and option that the configuration tab uses. */

function inRange(type, value) {
	const m = /^range\((-?\d+), *(-?\d+)\)$/.exec(type || '');

	if (m)
		return (/^-?\d+$/.test(value) && +value >= +m[1] && +value <= +m[2]) || _('Expecting: %s').format(type);

	return true;
}

const Option = baseclass.extend({
	__init__: function(map, section, name, title, description) {
		Object.assign(this, { map: map, section: section, option: name, title: title, description: description, conditions: [] });
	},

	depends: function(option, value) {
		this.conditions.push([ option, value ]);
	},

	stored: function(id) {
		return uci.get(this.map.config, id, this.option) ?? this.default ?? null;
	},

	/* What is wrong with a value: true or a sentence. */
	judge: function(id, value) {
		if (value === '' && this.rmempty === false && !this.optional)
			return _('A value is needed.');

		if (value === '')
			return true;

		const range = inRange(this.datatype, value);

		return range === true && this.validate ? this.validate(id, value) : range;
	},

	row: function(id) {
		const input = this.input(id);
		const problem = E('div', { 'class': 'cbi-value-error', 'role': 'alert' });
		const node = E('div', { 'class': 'cbi-value', 'data-option': this.option, 'data-section': id }, [
			E('label', { 'class': 'cbi-value-title', 'for': this.id(id) }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, [ input, this.description ? E('div', { 'class': 'cbi-value-description' }, [ this.description ]) : null, problem ])
		]);

		this.rows = this.rows || {};
		this.rows[id] = { node: node, problem: problem };

		return node;
	},

	id: function(id) {
		return 'widget.cbid.%s.%s.%s'.format(this.map.config, id, this.option);
	},

	visible: function(id) {
		return !this.conditions.length || this.conditions.some(c => this.section.formvalue(id, c[0]) == c[1]);
	},

	/* Stores what the form says; a list of sentences where it may not. */
	parse: function(id) {
		const value = this.formvalue(id);
		const list = Array.isArray(value) ? value : [ value ];
		const wrong = this.visible(id) ? list.map(v => this.judge(id, v)).filter(v => v !== true) : [];

		this.rows[id].problem.textContent = wrong.join(' ');

		if (wrong.length)
			return wrong;

		const removable = this.rmempty !== false && (value === '' || value === this.default || (Array.isArray(value) && !value.length));

		if (removable || !this.visible(id))
			uci.unset(this.map.config, id, this.option);
		else if (String(value) != String(uci.get(this.map.config, id, this.option) ?? ''))
			uci.set(this.map.config, id, this.option, value);

		return [];
	}
});

const Value = Option.extend({
	input: function(id) {
		this.fields = this.fields || {};
		this.fields[id] = E('input', {
			'type': 'text', 'class': 'cbi-input-text', 'id': this.id(id), 'placeholder': this.placeholder, 'disabled': this.map.readonly || null
		});
		this.fields[id].value = this.stored(id) ?? '';

		return this.fields[id];
	},

	formvalue: function(id) {
		return this.fields[id].value.trim();
	}
});

const ListValue = Value.extend({
	value: function(key, title) {
		(this.choices = this.choices || []).push([ key, title ]);
	},

	input: function(id) {
		this.fields = this.fields || {};
		this.fields[id] = E('select', { 'class': 'cbi-input-select', 'id': this.id(id), 'disabled': this.map.readonly || null },
			this.choices.map(c => E('option', { 'value': c[0] }, [ c[1] ])));
		this.fields[id].value = this.stored(id) ?? '';
		this.fields[id].addEventListener('change', () => this.section.toggle());

		return this.fields[id];
	}
});

const Flag = Option.extend({
	input: function(id) {
		this.fields = this.fields || {};
		this.fields[id] = E('input', { 'type': 'checkbox', 'id': this.id(id), 'disabled': this.map.readonly || null });
		this.fields[id].checked = this.stored(id) == '1';

		return this.fields[id];
	},

	formvalue: function(id) {
		return this.fields[id].checked ? '1' : '0';
	}
});

/* One line an entry; an empty one at the end takes the next. */
const DynamicList = Option.extend({
	input: function(id) {
		const list = E('div', { 'class': 'cbi-dynlist', 'id': this.id(id) });
		const add = value => {
			const field = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'aria-label': this.title, 'disabled': this.map.readonly || null });

			field.value = value;
			field.addEventListener('input', () => {
				if (field == list.lastElementChild && field.value)
					add('');
			});
			list.appendChild(field);
		};

		L.toArray(this.stored(id)).concat('').forEach(add);
		this.lists = this.lists || {};
		this.lists[id] = list;

		return list;
	},

	formvalue: function(id) {
		return Array.from(this.lists[id].children).map(field => field.value.trim()).filter(value => value);
	}
});

const Section = baseclass.extend({
	__init__: function(map, type, title, description) {
		Object.assign(this, { map: map, sectiontype: type, title: title, description: description, options: [] });
	},

	option: function(Kind, name, title, description) {
		const it = new Kind(this.map, this, name, title, description);

		this.options.push(it);

		return it;
	},

	formvalue: function(id, name) {
		const it = this.options.find(o => o.option == name);

		return it ? it.formvalue(id) : null;
	},

	toggle: function() {
		for (const it of this.options)
			for (const id in it.rows || {})
				it.rows[id].node.style.display = it.visible(id) ? '' : 'none';
	},

	frame: function(children) {
		return E('div', { 'class': 'cbi-section', 'data-type': this.sectiontype }, [
			E('h3', {}, [ this.title ]),
			this.description ? E('div', { 'class': 'cbi-section-descr' }, [ this.description ]) : null
		].concat(children));
	}
});

const NamedSection = Section.extend({
	__init__: function(map, name, type, title, description) {
		Object.assign(this, { map: map, name: name, sectiontype: type, title: title, description: description, options: [] });
	},

	ids: function() {
		return uci.get(this.map.config, this.name) ? [ this.name ] : [];
	},

	render: function() {
		return this.frame(this.ids().flatMap(id => this.options.map(o => o.row(id))));
	}
});

const TypedSection = Section.extend({
	ids: function() {
		return uci.sections(this.map.config, this.sectiontype).map(s => s['.name']);
	},

	render: function() {
		const button = (text, fn) => E('button', { 'class': 'btn cbi-button', 'type': 'button', 'click': fn, 'disabled': this.map.readonly || null }, [ text ]);
		const again = fn => () => {
			fn();
			this.map.draw();
		};

		return this.frame(this.ids().map(id => E('div', { 'class': 'cbi-section-node' }, this.options.map(o => o.row(id)).concat(
			this.addremove ? button(_('Delete'), again(() => uci.remove(this.map.config, id))) : null
		))).concat(this.addremove ? button(_('Add'), again(() => uci.add(this.map.config, this.sectiontype))) : null));
	}
});

const Map = baseclass.extend({
	__init__: function(config, title, description) {
		Object.assign(this, { config: config, title: title, description: description, sections: [], readonly: !L.hasViewPermission() });
	},

	section: function(Kind, ...args) {
		const it = new Kind(this, ...args);

		this.sections.push(it);

		return it;
	},

	render: function() {
		return uci.load(this.config).then(() => {
			this.root = E('div', { 'class': 'cbi-map' });
			dom.bindClassInstance(this.root, this);
			this.draw();

			return this.root;
		});
	},

	draw: function() {
		dom.content(this.root, [
			E('h2', {}, [ this.title ]),
			this.description ? E('div', { 'class': 'cbi-map-descr' }, [ this.description ]) : null
		].concat(this.sections.map(s => s.render())));
		this.sections.forEach(s => s.toggle());
	},

	save: function() {
		const wrong = this.sections.flatMap(s => s.ids().flatMap(id => s.options.flatMap(o => o.parse(id))));

		if (wrong.length)
			return Promise.reject(new TypeError(wrong.join(' ')));

		return uci.save().then(() => this.draw());
	},

	reset: function() {
		uci.unload(this.config);

		return uci.load(this.config).then(() => this.draw());
	}
});

return baseclass.extend({
	Map: Map, NamedSection: NamedSection, TypedSection: TypedSection,
	Value: Value, ListValue: ListValue, Flag: Flag, DynamicList: DynamicList
});
