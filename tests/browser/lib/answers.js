/* Answers of the agent, in the shape of the ubus object; each test changes what it is about. */

export const info = {
	agent: { version: '0.1.0', api: 1 },
	device: {
		board_name: 'tplink,archer-c7-v2', profile: 'tplink_archer-c7-v2', target: 'ath79/generic', arch: 'mips_24kc',
		model: 'TP-Link Archer C7 v2', rootfs_type: 'squashfs', boot: ''
	},
	running: { distribution: 'OpenWrt', version: '24.10.0', revision: 'r28427-6df0e3d02a', kernel: '6.6.73' },
	database: 'opkg',
	servers: [ 'https://sysupgrade.example.org' ],
	memory: { available: 83886080, tmp_free: 62914560 }
};

export const versions = {
	branches: [
		{ name: '25.12', latest: '25.12.0', versions: [ '25.12.0', '25.12.0-rc1' ] },
		{ name: '24.10', latest: '24.10.2', versions: [ '24.10.2', '24.10.1', '24.10.0' ] }
	],
	running: { version: '24.10.0', revision: 'r28427-6df0e3d02a' },
	server: 'https://sysupgrade.example.org'
};

export function plan(changes = {}) {
	return {
		server: 'https://sysupgrade.example.org',
		running: { version: '24.10.0', revision: 'r28427-6df0e3d02a' },
		target: { version: '24.10.2', revision: 'r28739-d9340319c6', kernel: '6.6.93', branch: '24.10', built_at: '2025-06-23T20:40:36Z' },
		verdict: 'upgrade',
		packages: {
			upgrade: [ { name: 'dnsmasq', from: '2.90-r3', to: '2.90-r4' }, { name: 'luci', from: '24.340', to: '25.110' } ],
			downgrade: [], new: [ { name: 'owut', version: '2025.04.12-r1' } ], gone: [],
			renamed: [ { from: 'auc', to: 'owut' } ], missing: []
		},
		defaults: { added: [ 'procd-ujail' ], removed_by_user: [ 'ppp', 'ppp-mod-pppoe' ], replaced: [ { default: 'dnsmasq', by: 'dnsmasq-full' } ] },
		notes: [ 'The version scheme of luci changed.' ],
		request: {
			distro: 'openwrt', version: '24.10.2', version_code: 'r28739-d9340319c6', target: 'ath79/generic', profile: 'tplink_archer-c7-v2',
			packages_versions: { luci: '25.110', owut: '2025.04.12-r1' }, diff_packages: true, client: 'asu/0.1.0'
		},
		...changes
	};
}

export const blocked = plan({
	verdict: 'blocked',
	request: null,
	packages: { ...plan().packages, missing: [ { name: 'my-own-package', needed_by: [] }, { name: 'another-one', needed_by: [] } ] }
});

export function check(changes = {}) {
	return { running: false, at: 1750711236, plan: null, error: null, ...changes };
}

export function job(changes = {}) {
	return {
		id: 7, goal: 'download', phase: 'checking', percent: null, detail: '', queue_position: null, bytes: null, bytes_total: null,
		server: 'https://sysupgrade.example.org', version: '24.10.2', revision: 'r28739-d9340319c6', request_hash: '613c2b16106c',
		started: 1750711000, updated: 1750711042, error: null, ...changes
	};
}

export function image(changes = {}) {
	return {
		path: '/tmp/attended-sysupgrade/firmware.bin', sha256: 'b1bb6d0774d433202a7f57b649b79c8030abeba37adc4cbad03beaeb85b90d28',
		size: 7340032, version: '24.10.2', revision: 'r28739-d9340319c6', profile: 'tplink_archer-c7-v2', keep_allowed: true,
		checks: [
			{ name: 'size', result: 'pass', detail: 'The file has the 7340032 bytes that were announced.' },
			{ name: 'sha256', result: 'pass', detail: 'The checksum is the one the server announced.' },
			{ name: 'request', result: 'pass', detail: 'Every requested package is in the image.' },
			{ name: 'metadata', result: 'pass', detail: 'The image is for this device.' },
			{ name: 'rebuilders', result: 'skipped', detail: 'No rebuilder is configured.' },
			{ name: 'validation', result: 'pass', detail: 'The system accepts the image.' }
		],
		...changes
	};
}

export const warned = image({
	checks: image().checks.concat({ name: 'signature', result: 'warning', detail: 'The image carries no signature.' })
});

export function upgrade(changes = {}) {
	return {
		from: { version: '24.10.0', revision: 'r28427-6df0e3d02a' }, to: { version: '24.10.2', revision: 'r28739-d9340319c6' },
		at: 1750715000, result: 'confirmed', differences: [], kept_settings: true, ...changes
	};
}

export const differs = upgrade({
	result: 'differs',
	differences: [
		{ kind: 'package', name: 'wpad-mesh-mbedtls', expected: '2025.06', found: null },
		{ kind: 'revision', name: '', expected: 'r28739-d9340319c6', found: 'r1-x' }
	]
});

export function status(changes = {}) {
	return { job: null, image: null, check: null, last_upgrade: null, notice: null, ...changes };
}

export const board = {
	kernel: '6.6.73', hostname: 'OpenWrt', system: 'Qualcomm Atheros QCA9558', model: 'TP-Link Archer C7 v2',
	board_name: 'tplink,archer-c7-v2', rootfs_type: 'squashfs',
	release: { distribution: 'OpenWrt', version: '24.10.0', revision: 'r28427-6df0e3d02a', target: 'ath79/generic' }
};

export const kinds = [
	'usage', 'busy', 'offline', 'clock', 'tls', 'server', 'overloaded', 'unsupported', 'packages', 'build', 'mismatch', 'memory',
	'storage', 'checksum', 'signature', 'image', 'sysupgrade', 'cancelled', 'internal'
];
