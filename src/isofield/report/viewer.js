// The mesh that came out, and beside it, turning together, the points that came in, if any.
// Plain script over the THREE bundle above it; data is in <script id="data" type="application/json">.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const arrays = { Float32Array, Uint32Array, Uint16Array, Uint8Array, Int8Array };

  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
    return new arrays[packed.type](bytes.buffer);
  }

  // ---- materials -------------------------------------------------------------------------------
  // Clay under a key light that stays with the camera; the back of a surface is seen in red.
  const shading = `
    vec3 clay(vec3 base, vec3 n, vec3 eye) {
      vec3 key = normalize(vec3(-0.45, 0.65, 0.75));
      float diffuse = 0.5 + 0.5 * dot(n, key);
      float sky = 0.5 + 0.5 * n.y;
      float shine = pow(max(dot(n, normalize(key + eye)), 0.0), 40.0);
      float rim = pow(1.0 - max(dot(n, eye), 0.0), 3.0);
      return base * (0.32 + 0.64 * diffuse * diffuse + 0.2 * sky) + 0.10 * shine + 0.10 * rim;
    }`;

  const meshMaterial = new THREE.ShaderMaterial({
    side: THREE.DoubleSide,
    polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1,
    uniforms: { faceted: { value: 0 }, plain: { value: 0 } },
    vertexShader: `
      attribute vec3 tint; varying vec3 vTint; varying vec3 vNormal; varying vec3 vView;
      void main() {
        vec4 view = modelViewMatrix * vec4(position, 1.0);
        vTint = tint; vNormal = normalMatrix * normal; vView = view.xyz;
        gl_Position = projectionMatrix * view;
      }`,
    fragmentShader: shading + `
      uniform float faceted; uniform float plain;
      varying vec3 vTint; varying vec3 vNormal; varying vec3 vView;
      void main() {
        vec3 face = normalize(cross(dFdx(vView), dFdy(vView)));
        vec3 n = faceted > 0.5 ? face : normalize(vNormal);
        if (dot(n, face) < 0.0) n = faceted > 0.5 ? face : n;
        vec3 base = vTint;
        if (!gl_FrontFacing) { n = -n; base = mix(base, vec3(0.72, 0.22, 0.20), 0.75); }
        vec3 lit = clay(base, n, normalize(-vView));
        gl_FragColor = vec4(mix(lit, base, plain * 0.75), 1.0);
      }`,
  });

  const pointMaterial = new THREE.ShaderMaterial({
    uniforms: { size: { value: 1 }, shaded: { value: 1 } },
    vertexShader: `
      attribute vec3 tint; uniform float size; varying vec3 vTint; varying vec3 vNormal; varying vec3 vView;
      void main() {
        vec4 view = modelViewMatrix * vec4(position, 1.0);
        vTint = tint; vNormal = normalMatrix * normal; vView = view.xyz;
        gl_Position = projectionMatrix * view;
        gl_PointSize = clamp(size / -view.z, 1.5, 24.0);
      }`,
    fragmentShader: shading + `
      uniform float shaded; varying vec3 vTint; varying vec3 vNormal; varying vec3 vView;
      void main() {
        vec2 offset = 2.0 * gl_PointCoord - 1.0;
        if (dot(offset, offset) > 1.0) discard;
        vec3 eye = normalize(-vView);
        vec3 n = length(vNormal) > 0.5 ? normalize(vNormal) : eye;
        if (dot(n, eye) < 0.0) n = -n;
        gl_FragColor = vec4(mix(vTint, clay(vTint, n, eye), shaded), 1.0);
      }`,
  });

  const wireMaterial = new THREE.MeshBasicMaterial({
    color: 0x10202c, wireframe: true, transparent: true, opacity: 0.16,
  });

  // ---- geometry --------------------------------------------------------------------------------
  function geometry(packed) {
    const made = new THREE.BufferGeometry();
    const positions = unpack(packed.positions);
    made.setAttribute("position", new THREE.BufferAttribute(positions, 3, true));
    made.setAttribute("normal", new THREE.BufferAttribute(unpack(packed.normals), 3, true));
    const tint = new Uint8Array(positions.length);
    made.setAttribute("tint", new THREE.BufferAttribute(tint, 3, true));
    if (packed.faces) made.setIndex(new THREE.BufferAttribute(unpack(packed.faces), 1));
    made.boundingSphere = new THREE.Sphere(new THREE.Vector3(0.5, 0.5, 0.5), 0.9);
    return made;
  }

  function paint(made, packed, mode, clay) {
    const tint = made.attributes.tint;
    if (mode === "colour" && packed.colours) tint.array.set(unpack(packed.colours));
    else if (mode === "distance" && packed.distances) {
      tint.array.fill(160);
      tint.array.set(unpack(packed.distances));
    } else if (mode === "normals") {
      const normals = made.attributes.normal.array;
      for (let i = 0; i < tint.array.length; i++) tint.array[i] = 128 + normals[i];
    } else for (let i = 0; i < tint.array.length; i++) tint.array[i] = clay[i % 3];
    tint.needsUpdate = true;
  }

  // ---- one camera for both panes ---------------------------------------------------------------
  const view = { theta: 0.65, phi: 1.2, distance: 1.7 * data.diagonal, target: new THREE.Vector3() };
  const start = JSON.stringify(view);
  const camera = new THREE.PerspectiveCamera(32, 1, 0.01, 50);

  function aim() {
    const s = Math.sin(view.phi);
    camera.position.set(
      s * Math.sin(view.theta), Math.cos(view.phi), s * Math.cos(view.theta),
    ).multiplyScalar(view.distance).add(view.target);
    camera.lookAt(view.target);
    camera.updateMatrixWorld();
  }

  const turned = { x: [0, 0, Math.PI / 2], y: [0, 0, 0], z: [-Math.PI / 2, 0, 0] }[data.up];
  const panes = [];

  function pane(name, ...objects) {
    const canvas = document.getElementById(name);
    const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    const scene = new THREE.Scene();
    const middle = new THREE.Group(); // the scan's own axes, turned so that its up is up
    middle.rotation.set(...turned);
    const inner = new THREE.Group();
    inner.position.set(...data.centre.map((c) => -c));
    inner.add(...objects);
    middle.add(inner);
    scene.add(middle);
    listen(canvas);
    panes.push({ canvas, renderer, scene });
  }

  let asked = false;
  function draw() {
    asked = false;
    aim();
    for (const { canvas, renderer, scene } of panes) {
      const width = canvas.clientWidth, height = canvas.clientHeight;
      const ratio = renderer.getPixelRatio();
      if (canvas.width !== Math.floor(width * ratio) || canvas.height !== Math.floor(height * ratio))
        renderer.setSize(width, height, false);
      camera.aspect = width / height;
      camera.updateProjectionMatrix();
      if (data.points) pointMaterial.uniforms.size.value =
        data.points.spacing * slider.value * height * ratio * camera.projectionMatrix.elements[5] * 0.5;
      renderer.render(scene, camera);
    }
  }
  function redraw() {
    if (!asked) { asked = true; requestAnimationFrame(draw); }
  }

  // ---- hands -----------------------------------------------------------------------------------
  function listen(canvas) {
    const fingers = new Map();
    canvas.addEventListener("pointerdown", (e) => {
      canvas.setPointerCapture(e.pointerId);
      fingers.set(e.pointerId, [e.clientX, e.clientY]);
    });
    const up = (e) => fingers.delete(e.pointerId);
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointermove", (e) => {
      const before = fingers.get(e.pointerId);
      if (!before) return;
      const dx = e.clientX - before[0], dy = e.clientY - before[1];
      if (fingers.size === 2) pinch(fingers, e);
      else if (e.shiftKey || e.buttons === 2) pan(canvas, dx, dy);
      else turn(dx, dy);
      fingers.set(e.pointerId, [e.clientX, e.clientY]);
      redraw();
    });
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      zoom(Math.exp(0.0012 * e.deltaY));
      redraw();
    }, { passive: false });
    canvas.addEventListener("dblclick", reset);
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: [-24, 0], ArrowRight: [24, 0], ArrowUp: [0, -24], ArrowDown: [0, 24] }[e.key];
      if (step) turn(...step);
      else if (e.key === "+") zoom(0.9);
      else if (e.key === "-") zoom(1.1);
      else return;
      e.preventDefault();
      redraw();
    });
  }
  function turn(dx, dy) {
    view.theta -= 0.008 * dx;
    view.phi = Math.min(Math.max(view.phi - 0.008 * dy, 0.02), Math.PI - 0.02);
  }
  function pan(canvas, dx, dy) {
    const scale = 2 * view.distance * Math.tan((camera.fov * Math.PI) / 360) / canvas.clientHeight;
    const axes = camera.matrixWorld.elements;
    view.target.x += scale * (-dx * axes[0] + dy * axes[4]);
    view.target.y += scale * (-dx * axes[1] + dy * axes[5]);
    view.target.z += scale * (-dx * axes[2] + dy * axes[6]);
  }
  function zoom(factor) {
    view.distance = Math.min(Math.max(view.distance * factor, 0.05 * data.diagonal), 12);
  }
  function pinch(fingers, e) {
    const other = [...fingers].find(([id]) => id !== e.pointerId)[1];
    const before = fingers.get(e.pointerId);
    const reach = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) + 1;
    zoom(reach(before) / reach([e.clientX, e.clientY]));
  }
  function reset() {
    const first = JSON.parse(start);
    Object.assign(view, { theta: first.theta, phi: first.phi, distance: first.distance });
    view.target.set(0, 0, 0);
    redraw();
  }

  // ---- the page --------------------------------------------------------------------------------
  const byId = (id) => document.getElementById(id);
  const slider = byId("size"); // like all of the points' pane, not there without points
  const points = data.points && geometry(data.points), mesh = geometry(data.mesh);
  const wire = new THREE.Mesh(mesh, wireMaterial);
  wire.visible = false;
  const surface = new THREE.Mesh(mesh, meshMaterial);
  const elements = data.elements && new THREE.Mesh(geometry(data.elements), meshMaterial);
  if (elements) paint(elements.geometry, data.elements, "colour");
  if (points) pane("pane-points", new THREE.Points(points, pointMaterial));
  pane("pane-mesh", surface, wire, ...(elements ? [elements] : []));

  function showPoints() {
    const mode = byId("points-as").value;
    paint(points, data.points, mode, [128, 164, 196]);
    pointMaterial.uniforms.shaded.value = mode === "colour" || mode === "clay" ? 1 : 0.35;
    points.setDrawRange(0, mode === "distance" ? data.points.measured : Infinity);
    redraw();
  }
  function showMesh() {
    const mode = byId("mesh-as").value;
    paint(mesh, data.mesh, mode, [214, 205, 190]);
    const parts = Boolean(elements) && byId("elements").checked; // the surface stays as a veil of wires
    if (elements) elements.visible = parts;
    surface.visible = !parts;
    wire.visible = parts || byId("wire").checked;
    meshMaterial.uniforms.plain.value = !parts && (mode === "normals" || mode === "distance") ? 1 : 0;
    meshMaterial.uniforms.faceted.value = byId("flat").checked ? 1 : 0;
    redraw();
  }
  for (const id of ["mesh-as", "wire", "flat", ...(elements ? ["elements"] : [])])
    byId(id).addEventListener("change", showMesh);
  byId("reset").addEventListener("click", reset);
  new ResizeObserver(redraw).observe(byId("pane-mesh"));
  if (points) {
    byId("points-as").addEventListener("change", showPoints);
    slider.addEventListener("input", redraw);
    showPoints();
  }
  showMesh();
  draw();
  document.documentElement.dataset.drawn = "yes"; // what the browser test waits for
})();
