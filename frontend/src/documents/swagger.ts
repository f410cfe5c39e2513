/** /docs: the REST API, to read and to try out with the login of this browser. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

SwaggerUI({
  url: "openapi.json",
  dom_id: "#document",
  deepLinking: true,
  filter: true,
  docExpansion: "list",
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // What one types into "Authorize" stays in this tab, and nobody else is asked what they think of the document.
  persistAuthorization: false,
  validatorUrl: null,
});
