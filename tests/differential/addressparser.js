// What nodemailer's addressparser (Debian package node-addressparser) sees in values of From.
// Reads one value per line in base64, prints one JSON array of addresses for each.
'use strict';

const addressparser = require(process.env.ADDRESSPARSER || '/usr/share/nodejs/addressparser');

function flatten(list) {
	return list.flatMap(item => (item.group ? flatten(item.group) : [item.address]));
}

const lines = require('fs').readFileSync(0, 'latin1').split('\n');
lines.pop();
for (const line of lines) {
	// As mail libraries hand it over: decoded from UTF-8, unfolded.
	const value = Buffer.from(line, 'base64').toString('utf8').replace(/\r?\n(?=[ \t])/g, '').trim();
	process.stdout.write(JSON.stringify(flatten(addressparser(value))) + '\n');
}
