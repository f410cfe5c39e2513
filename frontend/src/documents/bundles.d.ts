/** The two viewers are bundles without types of their own; these are the parts that we call. */

declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: Record<string, unknown>): unknown;
}

declare module "redoc/bundles/redoc.standalone.js" {
  export function init(url: string, options: Record<string, unknown>, element: HTMLElement | null): void;
}
