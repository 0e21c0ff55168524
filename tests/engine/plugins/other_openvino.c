/* A library of OpenVINO's C interface that says another version: the plug-in must not take it. */
struct version {
  const char *build, *description;
};

__attribute__((visibility("default"))) int ov_get_openvino_version(struct version* out) {
  out->build = "2025.1.0-1";
  out->description = "test";
  return 0;
}

__attribute__((visibility("default"))) void ov_version_free(struct version* out) { out->build = 0; }
