// Checks the proof of a fact a second time, here: from the bytes that are stored to the root that the log
// has signed. Everything is taken from the page as it is shown. Hashing is RFC 6962's, the checkpoint is a
// C2SP tlog-checkpoint, signed with Ed25519 as a C2SP signed-note.

export function setUpProof() {
	const box = document.querySelector('[data-proof]');
	const button = box?.querySelector('[data-check-proof]');
	button?.addEventListener('click', async () => {
		button.disabled = true;
		await check(box);
		button.disabled = false;
	});
}

// Outcomes of a step. What is open this browser cannot check; what is away nobody can right now.
const holds = 'holds', fails = 'fails', open = 'open', away = 'away';

// check goes through the steps, shows each, and stops at the first that fails, or has nothing to check.
async function check(box) {
	const list = box.querySelector('[data-steps]');
	const verdict = box.querySelector('[data-verdict]');
	list.replaceChildren();
	verdict.textContent = '';
	verdict.className = 'verdict';
	if (!globalThis.crypto?.subtle) {
		end(verdict, open, 'Browsers compute hashes only for pages that come by HTTPS or from this machine. Open the page that way.');
		return;
	}
	const at = {};
	let left = false;
	for (const step of [fetched, sameFact, leafHash, pathToRoot, signed]) {
		let outcome, text;
		try {
			[outcome, text] = await step(box, at);
		} catch (error) {
			[outcome, text] = [fails, `It cannot be checked: ${error.message}`];
		}
		show(list, outcome === away ? open : outcome, text);
		if (outcome === away) {
			end(verdict, open, 'The proof was not checked.');
			return;
		}
		if (outcome === fails) {
			end(verdict, fails, 'The proof does not hold.');
			return;
		}
		left ||= outcome === open;
	}
	if (left) end(verdict, open, 'What this browser can check holds.');
	else end(verdict, holds, 'The proof holds: the record has this fact, and has it unchanged.');
}

async function fetched(box, at) {
	let answer;
	try {
		answer = await fetch(box.dataset.body, { cache: 'no-store' });
		at.bytes = new Uint8Array(await answer.arrayBuffer());
	} catch {
		return [away, 'The server cannot be reached for the stored bytes. Try again in a few seconds.'];
	}
	if (answer.status === 401) return [away, 'Your session is over. Begin another one, and open this page again.'];
	if (answer.status >= 500) return [away, `The server has trouble giving the stored bytes; it answers ${answer.status}. Try again in a few seconds.`];
	if (!answer.ok) return [fails, `The server does not give the stored bytes; it answers ${answer.status}.`];
	return [holds, `Fetched the stored bytes: ${at.bytes.length} of them.`];
}

async function sameFact(box, at) {
	const stored = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(at.bytes));
	for (const name of ['id', 'type', 'subject']) {
		if (stored[name] !== box.dataset[name]) return [fails, `They are another fact: their ${name} is ${stored[name]}.`];
	}
	return [holds, 'They are the fact that this page shows: same id, type and subject.'];
}

async function leafHash(box, at) {
	const shown = unhex(box.querySelector('[data-leaf]').textContent);
	at.leaf = await sha256(Uint8Array.of(0), at.bytes);
	if (!same(at.leaf, shown)) return [fails, `Their SHA-256 as a leaf is ${hex(at.leaf)}, and not the one shown.`];
	return [holds, 'Their SHA-256, as a leaf of the tree, is the leaf hash shown.'];
}

async function pathToRoot(box, at) {
	at.note = readNote(box.querySelector('[data-note]').textContent);
	const path = [...box.querySelectorAll('[data-path]')].map((code) => unhex(code.textContent));
	const root = await rootOf(at.leaf, BigInt(box.dataset.index), at.note.size, path);
	if (!root) return [fails, `A path of ${path.length} hashes cannot lead to the root of ${at.note.size} leaves.`];
	if (!same(root, at.note.root)) return [fails, 'The path leads to another root than the checkpoint’s.'];
	if (hex(root) !== box.querySelector('[data-root]').textContent) return [fails, 'The root shown is another one than the checkpoint’s.'];
	return [holds, `The path leads to the root in the checkpoint, which is that of the first ${at.note.size} facts.`];
}

async function signed(box, at) {
	const verifier = readVerifier(box.querySelector('[data-verifier]').textContent.trim());
	const id = (await sha256(text(`${verifier.name}\n`), verifier.key)).slice(0, 4);
	if (verifier.key[0] !== 1 || verifier.key.length !== 33 || hex(id) !== verifier.id) return [fails, 'The log’s key is not an Ed25519 key, or is damaged.'];
	const mine = at.note.signatures.filter((s) => s.name === verifier.name && same(s.bytes.slice(0, 4), id));
	if (mine.length === 0) return [fails, 'The checkpoint is not signed with the log’s key.'];
	let key;
	try {
		key = await crypto.subtle.importKey('raw', verifier.key.slice(1), { name: 'Ed25519' }, false, ['verify']);
	} catch (error) {
		if (error.name !== 'NotSupportedError') throw error;
		return [open, 'This browser does not know Ed25519, so the signature is not checked here.'];
	}
	for (const s of mine) {
		if (!await crypto.subtle.verify('Ed25519', key, s.bytes.slice(4), text(at.note.text))) return [fails, 'The signature of the checkpoint is not right.'];
	}
	return [holds, `The checkpoint is signed with the log’s key, that of ${verifier.name}.`];
}

// rootOf computes the root that a path leads to, as RFC 9162 says in 2.1.3.2; undefined when
// the path has not the length that it must have.
async function rootOf(leaf, index, size, path) {
	if (index < 0n || index >= size) return undefined;
	let node = leaf, last = size - 1n;
	for (const sibling of path) {
		if (last === 0n) return undefined;
		if ((index & 1n) === 1n || index === last) {
			node = await sha256(Uint8Array.of(1), sibling, node);
			while ((index & 1n) === 0n && index !== 0n) {
				index >>= 1n;
				last >>= 1n;
			}
		} else {
			node = await sha256(Uint8Array.of(1), node, sibling);
		}
		index >>= 1n;
		last >>= 1n;
	}
	return last === 0n ? node : undefined;
}

// readNote reads a signed checkpoint: three lines, an empty one, and signatures.
function readNote(note) {
	const cut = note.lastIndexOf('\n\n');
	const signedText = note.slice(0, cut + 1);
	const lines = signedText.split('\n');
	if (cut < 0 || lines.length !== 4 || !/^[1-9][0-9]*$/.test(lines[1])) throw new Error('the checkpoint is not one');
	const signatures = note.slice(cut + 2).split('\n').filter(Boolean).map((line) => {
		const [, name, bytes] = /^— (\S+) (\S+)$/.exec(line) ?? [];
		if (!bytes) throw new Error('a line of the checkpoint is no signature');
		return { name, bytes: unbase64(bytes) };
	});
	return { text: signedText, size: BigInt(lines[1]), root: unbase64(lines[2]), signatures };
}

// readVerifier reads a key as name+id+key, where only the key may hold a plus.
function readVerifier(line) {
	const [, name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(line) ?? [];
	if (!key) throw new Error('the log’s key is not one');
	return { name, id, key: unbase64(key) };
}

function show(list, outcome, words) {
	const item = document.createElement('li');
	item.className = outcome;
	item.textContent = words;
	list.append(item);
}

function end(verdict, outcome, words) {
	verdict.classList.add(outcome);
	verdict.textContent = words;
}

async function sha256(...parts) {
	return new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()));
}

const text = (s) => new TextEncoder().encode(s);
const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const unbase64 = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));

function unhex(s) {
	if (!/^[0-9a-f]{64}$/.test(s)) throw new Error('a hash is not one');
	return Uint8Array.from(s.match(/../g), (byte) => parseInt(byte, 16));
}
