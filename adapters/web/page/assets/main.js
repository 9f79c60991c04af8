// Brings the page to life. Everything here saves reloading; nothing here is needed.
import { setUpDrop } from './drop.js';
import { setUpPicture } from './picture.js';
import { swapped } from './swap.js';

function setUp() {
	setUpDrop();
	setUpPicture();
	// Only officers see proofs: nobody else fetches what checks them.
	if (document.querySelector('[data-proof]')) import('./proof.js').then((proof) => proof.setUpProof());
}

setUp();
document.addEventListener(swapped, setUp);
