'use strict';
'require baseclass';
'require rpc';

/*
 * The ubus object `attendedsysupgrade` as the browser sees it.
 *
 * The agent answers what went wrong in its own field as { error: { kind, message, detail } }; LuCI's rpc
 * reports what went wrong on the way as an RPCError. Callers of this module get both as one: a
 * rejected promise with { kind, message, detail }. Two kinds are this module's own: `absent`, the router
 * has no such object or method, and `unreachable`, the router itself did not answer.
 */

function declare(method, params) {
	return rpc.declare({
		object: 'attendedsysupgrade',
		method: method,
		params: params,
		reject: true
	});
}

const callInfo = declare('info');
const callVersions = declare('versions');
const callCheck = declare('check', [ 'version', 'wait' ]);
const callStart = declare('start', [ 'goal', 'version', 'add', 'remove', 'ignore' ]);
const callStatus = declare('status');
const callCancel = declare('cancel');
const callVerify = declare('verify', [ 'path' ]);
const callSysupgrade = declare('sysupgrade', [ 'keep', 'path', 'force' ]);
const callClean = declare('clean');
const callHistory = declare('history');
const callPackagelist = declare('packagelist', [ 'all' ]);

/* What LuCI's rpc.js says in words: JSON-RPC errors carry a negative code, ubus' own a small one. */
function fromTransport(error) {
	const text = String((error && error.message) || error);
	const json = /failed with error (-\d+)/.exec(text);
	const ubus = /failed with ubus code (\d+)/.exec(text);

	if (json && (json[1] == '-32000' || json[1] == '-32601') || ubus && ubus[1] == '3')
		return { kind: 'absent', message: _('The router does not offer this function.'), detail: text };

	/* Where the session is gone, LuCI's loader says so with an error of its own. */
	if (json && json[1] == '-32002' || ubus && ubus[1] == '6' || (error && error.name == 'SessionError'))
		return { kind: 'denied', message: _('This account may not do that, or the login has expired.'), detail: text };

	if (ubus && ubus[1] == '4' && /\/sysupgrade /.test(text))
		return { kind: 'image', message: _('There is no verified image on the router any more. Prepare the upgrade again.'), detail: text };

	if (ubus && ubus[1] == '7')
		return { kind: 'unreachable', message: _('The router took too long to answer. It may be busy; try again in a moment.'), detail: text };

	if (json || ubus)
		return { kind: 'internal', message: _('The router refused the call.'), detail: text };

	return { kind: 'unreachable', message: _('The router does not answer at the moment.'), detail: text };
}

/* Calls and makes every failure one shape. A busy router is no failure: it answers with the running job. */
function ask(call, ...args) {
	return call(...args).then(answer => {
		if (L.isObject(answer) && L.isObject(answer.error) && answer.job == null)
			return Promise.reject(answer.error);

		if (!L.isObject(answer) || Array.isArray(answer))
			return Promise.reject({
				kind: 'internal',
				message: _('The router gave an answer this page does not understand.'),
				detail: String(answer)
			});

		return answer;
	}, error => Promise.reject(fromTransport(error)));
}

return baseclass.extend({
	info: () => ask(callInfo),
	versions: () => ask(callVersions),
	status: () => ask(callStatus),
	history: () => ask(callHistory),
	cancel: () => ask(callCancel),
	clean: () => ask(callClean),
	verify: path => ask(callVerify, path),
	packagelist: all => ask(callPackagelist, all),

	/* Answers at once; the plan appears in status().check. */
	check: version => ask(callCheck, version || undefined, false),

	/**
	 * Starts a job that ends with a verified image.
	 * order: { version, add: [names], remove: [names], ignore: [names that may be missing] }, all optional.
	 */
	prepare: order => ask(callStart, 'download', order.version || undefined,
		...[ order.add, order.remove, order.ignore ].map(names => names && names.length ? names : undefined)),

	/**
	 * Flashes. order: { keep, path, force }; without path the verified image in hand. `force` is left out
	 * unless set: it overrides warnings, and the small plugin does not know it.
	 */
	sysupgrade: order => ask(callSysupgrade, order.keep, order.path || undefined, order.force || undefined)
});
