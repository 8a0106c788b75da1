"use strict";
window.SwaggerUIBundle({
  url: document.getElementById("documentation").dataset.schema,
  dom_id: "#documentation",
  deepLinking: true,
  // Keys are typed in here by people: they are gone when the page is.
  persistAuthorization: false,
});
