/** /redoc: the REST API, to read. */

import { init } from "redoc/bundles/redoc.standalone.js";

init("openapi.json", { disableSearch: true, hideLoading: true }, document.getElementById("document"));
