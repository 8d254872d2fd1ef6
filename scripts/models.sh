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

evaluate() {
  local model=$1 dataset row
  for row in DAVIS:val movi_like_a:val movi_like_e:val; do
    dataset=${row%%:*}
    "$trainer" evaluate --model "models/$model/1" --data "$data/$dataset" --split "${row##*:}" \
      --json "build/scores/$model/$dataset.json" --pictures "build/scores/$model/$dataset"
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

# Masks, then slots that stay over 12 frames, then places in the grouping target, on 8, 4 and 12
# frames: each stage starts from the one before. models/slotcontrast/1/README.md has the reasons.
train_teacher() {
  local from=runs/slotcontrast places='losses[0].position_weight=0.6'
  stage slotcontrast slotcontrast
  stage slotcontrast_2 slotcontrast_long
  stage slotcontrast_3 slotcontrast_long "init_from=${from}_2/models/slotcontrast_long/1" "$places" \
    losses[3].weight=0.3 data.clip_frames=8 optim.learning_rate=1e-3 optim.decay_steps=350 \
    loop.max_steps=400
  stage slotcontrast_4 slotcontrast_long "init_from=${from}_3/models/slotcontrast_long/1" "$places" \
    losses[3].weight=0.1 data.clip_frames=4 data.batch_clips=8 optim.learning_rate=1.2e-3 \
    optim.decay_steps=1200 data.datasets[0].weight=1.6 loop.max_steps=900
  stage slotcontrast_5 slotcontrast_long "init_from=${from}_4/models/slotcontrast_long/1" "$places" \
    losses[3].weight=0.3 optim.learning_rate=7e-4 optim.warmup_steps=30 optim.decay_steps=200 \
    data.datasets[0].weight=1.3 loop.max_steps=450
  "$trainer" export --run runs/slotcontrast_5 --to models/slotcontrast/1 \
    --recipe "scripts/models.sh train"
}

train_student() {
  stage slotmatch slotmatch
  "$trainer" export --run runs/slotmatch --to models/slotmatch/1 \
    --recipe configs/train/slotmatch.textproto
}

case $task in
  verify) verify ;;
  evaluate)
    need_data
    for model in slotcontrast slotmatch; do evaluate "$model"; done
    ;;
  train)
    need_data
    train_teacher
    train_student
    for model in slotcontrast slotmatch; do evaluate "$model"; done
    ;;
  *) fail 64 "models knows verify, evaluate DATA and train DATA" ;;
esac
