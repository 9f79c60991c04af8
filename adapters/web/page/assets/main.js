// Brings the page to life. Everything here saves reloading; nothing here is needed.
import { setUpDrop } from './drop.js';
import { setUpPicture } from './picture.js';
import { swapped } from './swap.js';

function setUp() {
	setUpDrop();
	setUpPicture();
	// What works once is sent once: the answer to a second click would be that it was used.
	for (const form of document.querySelectorAll('form[data-once]')) {
		form.addEventListener('submit', () => { form.querySelector('button').disabled = true; });
	}
	// Only officers see proofs: nobody else fetches what checks them.
	if (document.querySelector('[data-proof]')) import('./proof.js').then((proof) => proof.setUpProof());
	if (document.querySelector('[data-verify]')) import('./verify.js').then((verify) => verify.setUpVerify());
}

setUp();
document.addEventListener(swapped, setUp);
