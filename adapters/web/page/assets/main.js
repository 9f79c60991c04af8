// Brings the page to life. Everything here saves reloading; nothing here is needed.
import { setUpDrop } from './drop.js';
import { setUpPicture } from './picture.js';
import { swapped } from './swap.js';

function setUp() {
	setUpDrop();
	setUpPicture();
}

setUp();
document.addEventListener(swapped, setUp);
