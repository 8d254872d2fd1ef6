#!/usr/bin/env bash
# models [verify | evaluate DATA | train DATA]
#                       checks the shipped models; scores them; trains them anew by their recipes
set -euo pipefail
source scripts/common.sh

# DATA holds movi_like_a, movi_like_e and DAVIS (DAVIS layout), real (videos), coco/train2017.
task=${1:-verify}
data=${2:-}
trainer=build/release/bin/slotmatch_trainer

verify() {
  local manifest folder file wanted bad=0
  for manifest in models/*/*/manifest.textproto; do
    folder=$(dirname "$manifest")
    while read -r file wanted; do
      if [[ $(sha256sum <"$folder/$file" | cut -d' ' -f1) == "$wanted" ]]; then
        echo "$folder  $file  ok"
      else
        echo "$folder  $file  does not have the digest of its manifest" >&2
        bad=1
      fi
    done < <(sed -n 's/^ *file: "\(.*\)"/\1/p; s/^ *sha256: "\(.*\)"/\1/p' "$manifest" | paste -d' ' - -)
  done
  ((bad == 0)) || fail 65 "a shipped model is damaged; git checkout models restores it"
}

evaluate() {  # all models side by side; those of one size share their backbone's work
  local dataset model models=()
  for model in slotcontrast/1 slotmatch/1 slotcontrast/2 slotmatch/2 slotmatch_fast/1; do
    models+=(--model "models/$model")
  done
  for dataset in DAVIS movi_like_a movi_like_e; do
    "$trainer" evaluate "${models[@]}" --data "$data/$dataset" --split val \
      --json "build/scores/$dataset.json" --pictures "build/scores/$dataset"
  done
}

need_data() {
  [[ -n $data ]] || fail 64 "models $task needs the folder of the data"
  data=$(cd "$SLOTMATCH_CALLER_DIR" && realpath -m -- "$data")
  [[ -d $data ]] || fail 66 "there is no folder $data"
  bash scripts/setup.sh
  build_preset release slotmatch_trainer
}

stage() {  # stage RUN RECIPE [PATH=VALUE ...]: one stage of a training; resumes one that was cut
  local run=$1 recipe=$2 settings=()
  shift 2
  (($# == 0)) || settings=("${@/#/--set=}")
  "$trainer" train --config "configs/train/$recipe.textproto" --data-root "$data" --out "runs/$run" \
    --resume "${settings[@]}"
}

# Masks; slots that stay over 12 frames; then places in the grouping target, in two strengths, whose
# weights are averaged. models/slotcontrast/1/README.md has the reasons.
train_teacher() {
  local run=runs/slotcontrast result=models/slotcontrast_long/1
  stage slotcontrast slotcontrast
  stage slotcontrast_2 slotcontrast_long
  stage slotcontrast_3 slotcontrast_long "init_from=${run}_2/$result" \
    losses[grouping].position_weight=0.6 losses[slot_contrast].weight=0.3 data.clip_frames=8 \
    optim.learning_rate=1e-3 optim.decay_steps=350 loop.max_steps=1000
  stage slotcontrast_4 slotcontrast_long "init_from=${run}_3/$result" \
    losses[grouping].position_weight=0.8 losses[slot_contrast].weight=0.25 data.clip_frames=5 data.batch_clips=7 \
    data.datasets[0].weight=2 optim.learning_rate=8e-4 optim.decay_steps=400 loop.max_steps=700
  "$trainer" export --run "${run}_4" --checkpoint "${run}_3/checkpoints/step_000001000" \
    --checkpoint "${run}_4/checkpoints/step_000000700" --to models/slotcontrast/1 \
    --recipe "scripts/models.sh train"
}

train_student() {
  stage slotmatch slotmatch
  "$trainer" export --run runs/slotmatch --to models/slotmatch/1 \
    --recipe configs/train/slotmatch.textproto
}

# The same heads on finer and on coarser grids.
resize() {
  local model
  for model in slotcontrast slotmatch; do
    stage "${model}_336" "${model}_336"
    "$trainer" export --run "runs/${model}_336" --to "models/$model/2" \
      --recipe "configs/train/${model}_336.textproto"
  done
  "$trainer" export --model models/slotmatch/1 --input-size 168 --to models/slotmatch_fast/1
}

case $task in
  verify) verify ;;
  evaluate)
    need_data
    evaluate
    ;;
  train)
    need_data
    train_teacher
    train_student
    resize
    evaluate
    ;;
  *) fail 64 "models knows verify, evaluate DATA and train DATA" ;;
esac
