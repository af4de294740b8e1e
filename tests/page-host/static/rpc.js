'use strict';
'require baseclass';
'require request';

let id = 1;
let queue = null;

/* Calls of one turn travel together, as LuCI's do. */
function send(message) {
	return new Promise((resolve, reject) => {
		if (queue == null) {
			queue = [];
			window.setTimeout(flush, 0);
		}

		queue.push({ message: message, resolve: resolve, reject: reject });
	});
}

function flush() {
	const batch = queue;

	queue = null;

	request.post(L.env.ubuspath, batch.map(call => call.message), { timeout: L.env.rpctimeout * 1000 }).then(answer => {
		if (!answer.ok)
			L.raise('RPCError', 'RPC call failed with HTTP error %d: %s', answer.status, answer.statusText || '?');

		const parts = answer.json();

		batch.forEach((call, i) => call.resolve(parts[i]));
	}).catch(error => batch.forEach(call => call.reject(error)));
}

/* LuCI asks whether the session lives whenever a call is denied, and says so over the page where it does not. */
function alive() {
	return send({
		jsonrpc: '2.0', id: id++, method: 'call',
		params: [ L.env.sessionid, 'session', 'access', { scope: 'uci', object: 'luci', function: 'read' } ]
	}).then(answer => {
		if (!answer.error)
			return;

		L.ui.showModal(_('Session expired'), [ E('p', {}, [ _('A new login is required since the authentication session expired.') ]) ]);
		L.raise('SessionError', 'Login session is expired');
	});
}

const words = [ 'Command OK', 'Invalid command', 'Invalid argument', 'Method not found', 'Resource not found', 'No data received',
	'Permission denied', 'Request timeout', 'Not supported', 'Unspecified error', 'Connection lost' ];

return baseclass.extend({
	getSessionID: () => L.env.sessionid,

	declare: function(it) {
		return (...args) => {
			const params = {};

			(it.params || []).forEach((name, i) => { params[name] = args[i]; });

			return send({
				jsonrpc: '2.0', id: id++, method: 'call', params: [ L.env.sessionid, it.object, it.method, params ]
			}).then(answer => (answer.error && answer.error.code == -32002) ? alive().then(() => answer) : answer).then(answer => {
				if (answer.error)
					L.raise('RPCError', 'RPC call to %s/%s failed with error %d: %s', it.object, it.method, answer.error.code, answer.error.message);

				if (it.reject && answer.result[0] !== 0)
					L.raise('RPCError', 'RPC call to %s/%s failed with ubus code %d: %s', it.object, it.method, answer.result[0],
						words[answer.result[0]] || 'Unknown error code');

				let value = answer.result.length > 1 ? answer.result[1] : answer.result[0];

				for (const key in it.expect || {}) {
					if (value != null && key != '')
						value = value[key];

					if (value == null)
						value = it.expect[key];
				}

				return value;
			});
		};
	}
});
