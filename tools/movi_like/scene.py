"""Renders one clip with true masks. Runs inside Blender; render.py calls it:

    blender --background --factory-startup --python scene.py -- SETTINGS.json

SETTINGS names the tier, the seed, sizes and folders. Frames go to <out>/rgb_0001.jpg ..., masks to
<out>/mask_0001.png ... (8-bit gray, value = object, 0 = floor and sky).
"""

import colorsys
import json
import math
import os
import random
import sys

import bpy

FLOOR_SIZE = 60
FRAMES_PER_SECOND = 12
# What Blender can make by itself, for scenes without a folder of meshes.
PRIMITIVES = {
    "cube": lambda: bpy.ops.mesh.primitive_cube_add(),
    "sphere": lambda: bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16),
    "cylinder": lambda: bpy.ops.mesh.primitive_cylinder_add(),
    "cone": lambda: bpy.ops.mesh.primitive_cone_add(),
    "torus": lambda: bpy.ops.mesh.primitive_torus_add(),
    "icosphere": lambda: bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=1),
    "monkey": lambda: bpy.ops.mesh.primitive_monkey_add(),
    "prism": lambda: bpy.ops.mesh.primitive_cylinder_add(vertices=6),
}


class Tier:
    """How a kind of clip is drawn."""

    def __init__(self, standing, thrown, textured, moving_camera):
        self.standing = standing  # range of the number of objects that lie about
        self.thrown = thrown  # range of the number of objects that fly in
        self.textured = textured  # objects and floor
        self.moving_camera = moving_camera


# Like MOVi-A: few plain solids, fixed camera. Like MOVi-E: many textured ones, linear camera motion.
TIERS = {
    "a": Tier(standing=(0, 1), thrown=(3, 7), textured=False, moving_camera=False),
    "e": Tier(standing=(10, 16), thrown=(1, 3), textured=True, moving_camera=True),
}


def files(folder, extensions):
    names = sorted(os.listdir(folder)) if folder else []
    return [os.path.join(folder, name) for name in names if name.lower().endswith(extensions)]


class Materials:
    def __init__(self, rng, textures):
        self.rng = rng
        self.textures = textures

    def _new(self):
        material = bpy.data.materials.new("material")
        material.use_nodes = True
        return material, material.node_tree, material.node_tree.nodes["Principled BSDF"]

    def _color(self):
        rng = self.rng
        hue, saturation, value = rng.random(), rng.uniform(0.6, 1), rng.uniform(0.5, 1)
        return (*colorsys.hsv_to_rgb(hue, saturation, value), 1)

    def gray(self):
        material, _, shader = self._new()
        shader.inputs["Base Color"].default_value = (0.45, 0.45, 0.45, 1)
        shader.inputs["Roughness"].default_value = 0.7
        return material

    def plain(self):
        material, _, shader = self._new()
        metal = self.rng.random() < 0.4
        shader.inputs["Base Color"].default_value = self._color()
        shader.inputs["Metallic"].default_value = 1 if metal else 0
        shader.inputs["Roughness"].default_value = 0.2 if metal else 0.7
        return material

    def textured(self, scale):
        material, tree, shader = self._new()
        shader.inputs["Roughness"].default_value = self.rng.uniform(0.2, 0.9)
        coordinates = tree.nodes.new("ShaderNodeTexCoord")
        mapping = tree.nodes.new("ShaderNodeMapping")
        mapping.inputs["Scale"].default_value = (scale,) * 3
        tree.links.new(coordinates.outputs["Generated"], mapping.inputs[0])
        color = self._picture(tree, mapping) if self.textures else self._pattern(tree, mapping)
        tree.links.new(color, shader.inputs["Base Color"])
        return material

    def _picture(self, tree, mapping):
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = bpy.data.images.load(self.rng.choice(self.textures), check_existing=True)
        node.projection = "BOX"
        node.projection_blend = 0.3
        tree.links.new(mapping.outputs[0], node.inputs[0])
        return node.outputs[0]

    def _pattern(self, tree, mapping):
        """A procedural texture in two colours, for scenes without a folder of pictures."""
        kind = self.rng.choice(["Checker", "Brick", "Noise", "Voronoi", "Wave"])
        node = tree.nodes.new("ShaderNodeTex" + kind)
        tree.links.new(mapping.outputs[0], node.inputs["Vector"])
        node.inputs["Scale"].default_value = self.rng.uniform(3, 9)
        if kind in ("Checker", "Brick"):
            node.inputs["Color1"].default_value = self._color()
            node.inputs["Color2"].default_value = self._color()
            return node.outputs["Color"]
        ramp = tree.nodes.new("ShaderNodeValToRGB")
        ramp.color_ramp.elements[0].color = self._color()
        ramp.color_ramp.elements[1].color = self._color()
        factor = node.outputs["Distance"] if kind == "Voronoi" else node.outputs["Fac"]
        tree.links.new(factor, ramp.inputs[0])
        return ramp.outputs["Color"]


class Scene:
    def __init__(self, settings):
        self.settings = settings
        self.tier = TIERS[settings["tier"]]
        self.rng = random.Random(settings["seed"])
        self.frames = settings["frames"]
        self.lights = files(settings["lights"], (".exr", ".hdr"))
        if not self.lights:
            raise SystemExit(f"no .exr or .hdr in {settings['lights']}")
        self.meshes = files(settings.get("meshes"), (".obj",))
        textures = files(settings.get("textures"), (".jpg", ".jpeg", ".png"))
        self.materials = Materials(self.rng, textures)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene

    def build(self):
        self._renderer()
        self._light()
        bpy.ops.rigidbody.world_add()
        self._floor()
        standing = self.rng.randint(*self.tier.standing)
        thrown = self.rng.randint(*self.tier.thrown)
        for index in range(standing + thrown):
            self._object(index + 1, index >= standing)
        self._camera()
        self._masks()
        return standing + thrown

    def _renderer(self):
        scene, settings = self.scene, self.settings
        scene.render.resolution_x = scene.render.resolution_y = settings["size_px"]
        scene.frame_start, scene.frame_end = 1, self.frames
        scene.render.fps = FRAMES_PER_SECOND
        scene.render.engine = "CYCLES"
        scene.render.threads_mode = "FIXED"
        scene.render.threads = 1  # render.py runs several clips at once
        scene.render.use_persistent_data = True
        scene.cycles.seed = settings["seed"]
        scene.cycles.samples = settings["samples"]
        scene.cycles.use_denoising = False
        scene.cycles.use_adaptive_sampling = True
        scene.cycles.adaptive_threshold = 0.03
        scene.cycles.max_bounces = 4

    def _light(self):
        world = bpy.data.worlds.new("world")
        self.scene.world = world
        world.use_nodes = True
        tree = world.node_tree
        light = tree.nodes.new("ShaderNodeTexEnvironment")
        light.image = bpy.data.images.load(self.rng.choice(self.lights))
        tree.links.new(light.outputs[0], tree.nodes["Background"].inputs[0])

    def _floor(self):
        bpy.ops.mesh.primitive_plane_add(size=FLOOR_SIZE)
        floor = bpy.context.object
        textured = self.tier.textured
        floor.data.materials.append(self.materials.textured(8) if textured else self.materials.gray())
        bpy.ops.rigidbody.object_add(type="PASSIVE")
        floor.rigid_body.friction = 0.3
        floor.rigid_body.restitution = 0.5

    def _shape(self):
        bpy.ops.object.select_all(action="DESELECT")
        if self.meshes:
            bpy.ops.wm.obj_import(filepath=self.rng.choice(self.meshes))
            shape = bpy.context.selected_objects[0]
            bpy.context.view_layer.objects.active = shape
        else:
            PRIMITIVES[self.rng.choice(sorted(PRIMITIVES))]()
            shape = bpy.context.object
        return shape

    def _object(self, index, thrown):
        rng = self.rng
        shape = self._shape()
        shape.data.materials.clear()
        textured = self.tier.textured
        shape.data.materials.append(
            self.materials.textured(rng.uniform(0.7, 2)) if textured else self.materials.plain())
        shape.scale = (rng.uniform(0.75, 2.2) / max(shape.dimensions),) * 3
        shape.rotation_euler = [rng.uniform(0, 2 * math.pi) for _ in range(3)]
        height = rng.uniform(1.5, 3.5) if thrown else rng.uniform(0.6, 1.2)
        shape.location = (rng.uniform(-3.5, 3.5), rng.uniform(-3.5, 3.5), height)
        shape.pass_index = index
        bpy.ops.object.transform_apply(location=False, rotation=False, scale=True)
        bpy.ops.rigidbody.object_add(type="ACTIVE")
        body = shape.rigid_body
        body.collision_shape = "CONVEX_HULL"
        body.friction = 0.5
        body.restitution = 0.4
        if thrown:
            self._throw(shape)

    def _throw(self, shape):
        """A velocity towards the middle, given by two key frames that the body is led along."""
        start, body = shape.location.copy(), shape.rigid_body
        seconds = 2 / FRAMES_PER_SECOND
        body.kinematic = True
        body.keyframe_insert("kinematic", frame=1)
        shape.keyframe_insert("location", frame=1)
        velocity = [self.rng.uniform(-4, 4) - start.x, self.rng.uniform(-4, 4) - start.y]
        shape.location = (start.x + velocity[0] * seconds, start.y + velocity[1] * seconds, start.z)
        shape.keyframe_insert("location", frame=3)
        body.kinematic = False
        body.keyframe_insert("kinematic", frame=3)

    def _camera(self):
        rng = self.rng
        data = bpy.data.cameras.new("camera")
        data.lens, data.sensor_width = 35, 32
        camera = bpy.data.objects.new("camera", data)
        self.scene.collection.objects.link(camera)
        self.scene.camera = camera
        target = bpy.data.objects.new("target", None)
        self.scene.collection.objects.link(target)
        track = camera.constraints.new("TRACK_TO")
        track.target, track.track_axis, track.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"
        angle, radius = rng.uniform(0, 2 * math.pi), rng.uniform(8, 9)
        place = [radius * math.cos(angle), radius * math.sin(angle), rng.uniform(2, 5)]
        camera.location = place
        camera.keyframe_insert("location", frame=1)
        if self.tier.moving_camera:
            camera.location = [place[0] + rng.uniform(-2, 2), place[1] + rng.uniform(-2, 2), place[2]]
        camera.keyframe_insert("location", frame=self.frames)

    def _masks(self):
        """Object indices as a gray PNG beside every picture."""
        scene = self.scene
        scene.view_layers[0].use_pass_object_index = True
        scene.use_nodes = True
        nodes, links = scene.node_tree.nodes, scene.node_tree.links
        layers = nodes.get("Render Layers") or nodes.new("CompositorNodeRLayers")
        divide = nodes.new("CompositorNodeMath")
        divide.operation = "DIVIDE"
        divide.inputs[1].default_value = 255.0
        out = nodes.new("CompositorNodeOutputFile")
        out.base_path = self.settings["out"]
        out.file_slots[0].path = "mask_"
        out.format.file_format = "PNG"
        out.format.color_mode = "BW"
        out.format.color_depth = "8"
        out.format.color_management = "OVERRIDE"
        out.format.view_settings.view_transform = "Raw"
        links.new(layers.outputs["IndexOB"], divide.inputs[0])
        links.new(divide.outputs[0], out.inputs[0])
        composite = nodes.get("Composite") or nodes.new("CompositorNodeComposite")
        links.new(layers.outputs["Image"], composite.inputs[0])
        scene.render.image_settings.file_format = "JPEG"
        scene.render.image_settings.quality = 95

    def render(self):
        for frame in range(1, self.frames + 1):
            self.scene.frame_set(frame)
            self.scene.render.filepath = os.path.join(self.settings["out"], f"rgb_{frame:04d}.jpg")
            bpy.ops.render.render(write_still=True)


def main():
    with open(sys.argv[sys.argv.index("--") + 1], encoding="utf-8") as file:
        settings = json.load(file)
    scene = Scene(settings)
    objects = scene.build()
    scene.render()
    with open(os.path.join(settings["out"], "clip.json"), "w", encoding="utf-8") as file:
        json.dump({"objects": objects, "seed": settings["seed"], "tier": settings["tier"]}, file)


main()
