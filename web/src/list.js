// The list of jobs: the server's times made local. All else works without scripts.

import { localise } from "./times.js";

localise(document);
document.getElementById("utc")?.remove();
